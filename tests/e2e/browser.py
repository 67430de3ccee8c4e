"""A browser as far as signing in goes: it keeps cookies, and sends the token of its session."""

import requests


class Browser:
    """Requests of one person."""

    def __init__(self, registry):
        self.url = registry.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = False
        self.csrf = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def request(self, method, path, headers=None, csrf=True, **more):
        url = path if path.startswith("http") else self.url + path
        headers = dict(headers or {})
        if csrf and self.csrf and method not in ("GET", "HEAD"):
            headers.setdefault("X-CSRF-Token", self.csrf)
        more.setdefault("allow_redirects", False)
        return self.session.request(method, url, headers=headers, timeout=30, **more)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def sign_in(self, name, password, **more):
        """By name and password; returns the answer."""
        answer = self.request(
            "POST", "/api/v1/session", json={"username": name, "password": password, **more}
        )
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf_token"]
        return answer

    def who(self):
        """What the registry says of the session; None when there is none."""
        answer = self.get("/api/v1/session")
        if answer.status_code == 401:
            return None
        assert answer.status_code == 200, answer.text
        self.csrf = answer.json().get("csrf_token")
        return answer.json()

    def sign_out(self):
        answer = self.request("DELETE", "/api/v1/session")
        assert answer.status_code == 204, answer.text
