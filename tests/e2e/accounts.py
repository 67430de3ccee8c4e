"""The command line beside a registry that may run: users, tokens, whatever reads its database."""

import crypt
import os
import subprocess

import requests

PASSWORD = "Tr0ub4dor&3xyz"
OTHER = "k9-Vexing.Llama"


def environment():
    """Without what would configure the registry."""
    return {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}


def htpasswd(path, people):
    """A file of those people's names and passwords, as a whole: a server that runs reads no half of it."""
    lines = [f"{name}:{crypt.crypt(word, crypt.mksalt(crypt.METHOD_SHA512, rounds=5000))}"
             for name, word in people.items()]
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.rename(path)
    return str(path)


class Accounts:
    """`registry user`, `registry token`, ... with the configuration of a registry."""

    def __init__(self, registry):
        self.registry = registry
        registry.write_config()

    def __call__(self, *words, password=None, status=0):
        result = subprocess.run(
            [str(self.registry.binary), *words, "--config", str(self.registry.config_path)],
            input=None if password is None else password + "\n",
            stdin=subprocess.DEVNULL if password is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout if status == 0 else result.stderr

    def add(self, name, *flags, password=PASSWORD):
        return self("user", "add", name, "--password-stdin", *flags, password=password)

    def token(self, *flags):
        return self("token", "create", *flags).strip()


def alice_and_bob(new_registry, *flags, **config):
    """A registry that runs, with an admin, alice, and a user, bob, who was added with these flags."""
    accounts = Accounts(new_registry(config={"auth": "local", **config}))
    accounts.add("alice", "--admin")
    accounts.add("bob", *flags, password=OTHER)
    accounts.registry.start()
    return accounts


class Caller:
    """Someone who calls the API: by name and password, with a bearer token, or nobody."""

    def __init__(self, registry, user=None, secret=PASSWORD, bearer=None):
        self.url = registry.url
        self.auth = (user, secret) if user else None
        self.headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def __call__(self, method, path, body=None, expect=200, headers=None, **more):
        """The answer, whose status must be the expected one (None: any)."""
        if body is not None:
            more["json"] = body
        answer = requests.request(
            method,
            self.url + path,
            auth=self.auth,
            headers={**self.headers, **(headers or {})},
            timeout=60,
            **more,
        )
        assert expect in (None, answer.status_code), f"{answer.status_code}: {answer.text}"
        return answer

    def get(self, path, **params):
        return self("GET", path, params=params).json()

    def pages(self, path, key, **params):
        """All of a list, by its links; and how many pages they were."""
        rows, pages = [], 0
        answer = self("GET", path, params=params)
        while True:
            rows += answer.json()[key]
            pages += 1
            if "next" not in answer.links:
                return rows, pages
            answer = self("GET", answer.links["next"]["url"])


def told(answer):
    """What the answer says was wrong."""
    error = answer.json()["errors"][0]
    return error.get("detail", error["message"])
