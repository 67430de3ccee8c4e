"""Commands of the program that are clients of a registry: `registry download`, `registry upload`."""

import subprocess

from accounts import environment


class ClientCommand:
    """One of them, in a directory of its own, without what the caller's environment has."""

    def __init__(self, registry, work, name):
        self.registry = registry
        self.name = name
        self.work = work / f"{name}s"
        self.work.mkdir()

    def __call__(self, *words, status=0, stdin=None, **variables):
        done = self.run(*words, status=status, stdin=stdin, **variables)
        return done.stdout + done.stderr

    def run(self, *words, status=0, stdin=None, text=True, **variables):
        done = subprocess.run(
            [self.registry.binary, self.name, *words], capture_output=True, text=text, timeout=120, input=stdin,
            cwd=self.work, env=self.environment(variables), check=False)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done

    def start(self, *words, stderr=None):
        return subprocess.Popen([self.registry.binary, self.name, *words], cwd=self.work, stdout=subprocess.DEVNULL,
                                stderr=stderr, env=self.environment({}))  # fmt: skip

    def environment(self, variables):
        mine = {k: v for k, v in environment().items() if not k.startswith(("DOCKER_", "XDG_"))}
        return {**mine, "HOME": str(self.work), **variables}

    def files(self):
        return sorted(p.name for p in self.work.iterdir())
