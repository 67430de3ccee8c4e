"""The real clients written in Go: crane, regctl, oras, helm and cosign.

Each has a home of its own below a temporary directory, so that nothing of the machine's is used or
changed, and no client finds what another has stored.
"""

import os
from pathlib import Path

from clients import run
from go_programs import go_program


class GoClients:
    def __init__(self, work):
        self.work = Path(work)

    def __call__(self, name, *args, **more):
        """Runs the program in its home; returns what it wrote (both streams in one)."""
        home = self.work / name
        home.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
        # An empty password: cosign asks for the one of its key otherwise.
        environment = {**kept, "HOME": str(home), "COSIGN_PASSWORD": ""}
        return run([go_program(name), *args], env=environment, cwd=home, **more)

    def crane(self, *args, **more):
        return self("crane", *args, "--insecure", **more)

    def regctl(self, *args, **more):
        """It has to be told of the registry first: regctl("registry", "set", ...)."""
        return self("regctl", *args, **more)

    def oras(self, *args, **more):
        return self("oras", *args, "--plain-http", **more)

    def oras_copy(self, *args, **more):
        return self("oras", "cp", *args, "--from-plain-http", "--to-plain-http", **more)

    def helm(self, *args, **more):
        return self("helm", *args, **more)

    def cosign(self, *args, **more):
        return self("cosign", *args, **more)
