"""A registry that waits takes next to nothing from the machine it runs on."""

import pytest

from certificates import authority, certificate
from helpers import MIB
from test_rights import htpasswd
from waiting import until


def resident_bytes(registry):
    with open(f"/proc/{registry.pid}/status", encoding="ascii") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["VmRSS"].split()[0]) * 1024


@pytest.mark.parametrize("guarded", [False, True], ids=["open", "passwords-and-tls"])
def test_an_idle_registry_takes_less_than_10_mib(new_registry, work, guarded):
    config = {}
    if guarded:
        pem = certificate(work, "server", authority(work, "ca"))
        config = {
            "http": {"tls": {"certificate": str(pem), "key": str(pem.with_suffix(".key"))}},
            "auth": {"htpasswd": {"file": htpasswd(work / "htpasswd", {"bob": "build-It7"})}},
        }
    registry = new_registry(config=config, tls=guarded).start()
    until(lambda: resident_bytes(registry) < 10 * MIB, timeout=60)
