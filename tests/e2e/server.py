"""Starts the real registry binary, waits until it answers, stops it and looks at how it ended."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import requests
import yaml
from processes import DIES_WITH_US, STOP_TIMEOUT_S, free_port

TOP = Path(__file__).resolve().parents[2]

START_TIMEOUT_S = 60

# What a sanitizer writes when it has found something.
SANITIZER_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    ": runtime error: ",
)


# What a client deletes goes at once from the disk, or the bucket.
AT_ONCE = {"gc": {"grace": "0s", "linger": "0s"}}


class NotReady(Exception):
    """The registry ended, or did not answer, before it was ready."""


def merged(base, extra):
    """base with extra laid over it, section by section."""
    out = dict(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


class Registry:
    """One registry process. Its root, port and log file stay the same over restarts.

    config is laid over a minimal configuration (listen address and storage root) and written as
    YAML. command replaces the ordinary `registry serve --config FILE`; user runs it as that uid.
    """

    def __init__(self, binary, work, root=None, config=None, env=None, user=None, tls=False):
        self.binary = Path(binary)
        self.work = Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.root = Path(root) if root else self.work / "root"
        self.log_path = self.work / "registry.log"
        self.config_path = self.work / "registry.yaml"
        self.env = env or {}
        self.user = user
        self.port = free_port()
        self.tls = tls
        self.config = merged(
            {
                "http": {"listen": [self.address]},
                "storage": {"filesystem": {"root": str(self.root)}},
            },
            config or {},
        )
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        """Everything the process has written so far, over all its restarts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def write_config(self):
        self.config_path.write_text(yaml.safe_dump(self.config))

    def spawn(self):
        """Starts the process and does not wait."""
        self.write_config()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        environment.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        environment.update(self.env)
        identity = {}
        if self.user is not None:
            identity = {"user": self.user, "group": self.user, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, str(self.binary), "serve", "--config", str(self.config_path)],
                cwd=self.work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity,
            )
        return self

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                code = self.process.returncode
                self.process = None
                raise NotReady(f"registry ended with {code} at start:\n{self.log[-4000:]}")
            if self.healthy():
                return
            time.sleep(0.01)
        raise NotReady(f"registry not ready after {START_TIMEOUT_S} s:\n{self.log[-4000:]}")

    def healthy(self):
        try:
            return requests.get(self.url + "/healthz", timeout=5, verify=False).status_code == 200
        except requests.RequestException:
            return False

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=STOP_TIMEOUT_S):
        """Waits for the end that somebody else has asked for; returns the exit code."""
        code = self.process.wait(timeout)
        self.process = None
        return code

    def stop(self):
        """Asks for an orderly end and demands one: exit code 0 and nothing a sanitizer found."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"registry did not end on SIGTERM:\n{self.log[-4000:]}") from None
        self.check_sanitizers()
        assert code == 0, f"registry ended with {code}:\n{self.log[-4000:]}"

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.wait()

    def freeze(self):
        """Stops every thread where it is; returns when none runs any more. Only a system call that
        cannot be interrupted may still go on, and its thread stops at the end of it."""
        self.signal(signal.SIGSTOP)
        while any(self._thread_states() - {"T", "D"}):
            time.sleep(0.001)

    def _thread_states(self):
        states = set()
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):  # one that has ended since
                states.add(self._stat(f"task/{task}/stat")[0])
        return states

    def cpu_ms(self):
        """What it has taken of processors, which a busy machine does not blur."""
        fields = self._stat("stat")
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def _stat(self, path):
        # The name, in parentheses, may hold anything; the state follows it.
        return Path(f"/proc/{self.pid}/{path}").read_text().rpartition(")")[2].split()

    def restart(self):
        self.stop()
        return self.start()

    def check_sanitizers(self):
        for mark in SANITIZER_REPORTS:
            _, found, report = self.log.partition(mark)
            # The registry's own records, which are JSON, come in between.
            lines = [line for line in report.splitlines() if not line.startswith("{")]
            assert not found, "\n".join([found, *lines[:80]])

    def check_running(self):
        """It has not ended but by a test's will."""
        code = self.process.poll() if self.process else None
        assert code is None, f"registry ended with {code}"

    def copy_binary_for_others(self, directory):
        """The binary where any user may run it: the checkout may be in a private home."""
        target = Path(directory) / "registry"
        shutil.copy2(self.binary, target)
        self.binary = target
        return self
