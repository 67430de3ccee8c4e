"""The real OpenID provider (npm oidc-provider) and signing in at it, as a browser does it."""

import hashlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import requests
from processes import DIES_WITH_US, free_port
from server import TOP

SOURCE = TOP / "tests" / "e2e" / "oidc_provider"

SECRET = "a-secret-with: all/that+needs%encoding"


def installed():
    """The provider's packages, as the lock file has them, in a cache of this user's."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    name = "oidc-provider-" + hashlib.sha256(lock).hexdigest()[:16]
    place = Path.home() / ".cache" / "cyberdock" / name
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=name, dir=place.parent))
    for file in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / file, new)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=new, check=True, timeout=300,
                   capture_output=True)
    try:
        new.rename(place)
    except OSError:  # another test was quicker
        shutil.rmtree(new)
    return place


def make_key(kid, kind="ec"):
    """A private JWK."""
    options = "{namedCurve:'P-256'}" if kind == "ec" else "{modulusLength:2048}"
    code = (f"console.log(JSON.stringify(require('crypto').generateKeyPairSync('{kind}', {options})"
            ".privateKey.export({format:'jwk'})))")
    made = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    algorithm = "ES256" if kind == "ec" else "RS256"
    return {**json.loads(made.stdout), "kid": kid, "alg": algorithm, "use": "sig"}


class Provider:
    """One provider process; its port, and so its issuer, stays the same over restarts."""

    def __init__(self, work):
        self.work = Path(work)
        self.work.mkdir()
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self.people = {}
        self.settings = {
            "issuer": self.issuer,
            "people": str(self.work / "people.json"),
            "claims_in_userinfo_only": False,
            "jwks": {"keys": [make_key("first"), make_key("first-rsa", "rsa")]},
            "clients": [],
        }
        self.process = None

    def add_client(self, client_id, redirect_uri, **more):
        """None takes a default away."""
        client = {"client_id": client_id, "redirect_uris": [redirect_uri], "client_secret": SECRET,
                  "id_token_signed_response_alg": "ES256", **more}
        self.settings["clients"].append({k: v for k, v in client.items() if v is not None})

    def add_machine(self, client_id, **claims):
        """A client that gets tokens for itself, which have these claims."""
        self.settings["clients"].append({
            "client_id": client_id, "client_secret": SECRET, "redirect_uris": [],
            "response_types": [], "grant_types": ["client_credentials"], "token_claims": claims})

    def set_person(self, login, **claims):
        self.people[login] = {"sub": login, "preferred_username": login, **claims}
        # a whole file at any time, because the provider reads it when it likes
        new = self.work / "people.new"
        new.write_text(json.dumps(self.people))
        new.rename(self.settings["people"])

    def start(self, **settings):
        path = self.work / "settings.json"
        path.write_text(json.dumps({**self.settings, **settings}))
        # modules are looked for beside the script
        script = installed() / f"server-{hashlib.sha256((SOURCE / 'server.js').read_bytes()).hexdigest()[:16]}.js"
        if not script.exists():
            new = script.with_suffix(f".{os.getpid()}")
            shutil.copy(SOURCE / "server.js", new)
            new.rename(script)
        log = open(self.work / "provider.log", "ab")
        with log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, "node", str(script), str(path)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5)
                return self
            except requests.RequestException:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log
                time.sleep(0.05)

    @property
    def log(self):
        return (self.work / "provider.log").read_text(errors="replace")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def restart(self, **settings):
        self.stop()
        return self.start(**settings)

    def new_keys(self):
        return [make_key("second"), make_key("second-rsa", "rsa")]

    def token(self, machine, audience="registry"):
        """A JWT for the machine, as a CI system hands one to its jobs."""
        answer = requests.post(f"{self.issuer}/token", timeout=30, auth=(machine, _quoted(SECRET)), data={
            "grant_type": "client_credentials", "resource": f"urn:{audience}"})
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


def _quoted(text):
    """RFC 6749, 2.3.1."""
    return requests.utils.quote(text, safe="")


def at_provider(browser, url, login, stop_at):
    """From the provider's first page through its sign-in and consent until it sends the browser to
    an address that starts with stop_at; returns that address."""
    for _ in range(12):
        if url.startswith(stop_at):
            return url
        answer = browser.get(url)
        if answer.status_code in (302, 303):
            url = urljoin(url, answer.headers["Location"])
            continue
        assert answer.status_code == 200, answer.text
        action = html.unescape(re.search(r'<form[^>]* action="([^"]+)"', answer.text).group(1))
        form = dict(re.findall(r'<input[^>]*type="hidden" name="(\w+)" value="(\w+)"', answer.text))
        if "login" in form.get("prompt", "login"):
            form.update(login=login, password="any")
        answer = browser.request("POST", urljoin(url, action), data=form, csrf=False)
        assert answer.status_code in (302, 303), answer.text
        url = urljoin(url, answer.headers["Location"])
    raise AssertionError(f"the provider does not come to an end: {url}")
