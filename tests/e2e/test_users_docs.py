"""docs/users.md: every example runs and prints what the page shows."""

import os
import re
import subprocess

import yaml
from accounts import environment
from documented import blocks, page, pattern

PAGE = page("users.md")
MARK = "-----8<-----"


# Ends when the server has noticed all changes before it: a token that is made and revoked is
# refused.
NOTICED = """noticed() {
    local token
    token=$(registry token create --robot probe 2>/dev/null)
    curl -fsS -o /dev/null -H "Authorization: Bearer $token" http://127.0.0.1:5000/v2/
    registry token revoke "$token" >/dev/null
    while curl -fs -o /dev/null -H "Authorization: Bearer $token" http://127.0.0.1:5000/v2/; do
        sleep 0.05
    done
}
"""


def test_the_examples_of_the_page_do_as_it_says(new_registry, docker, work):
    registry = new_registry(config=yaml.safe_load(blocks(PAGE, "yaml")[0])).start()
    (work / "bin").mkdir()
    (work / "bin" / "registry").symlink_to(registry.binary)
    script = NOTICED
    for block in blocks(PAGE, "sh"):
        after = "noticed" if block == "registry user totp bob\n" else ":"
        script += f"{block}\n{after}\necho '{MARK}'\n"
    output = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("127.0.0.1:5000", registry.address)],
        env={
            **environment(),
            "PATH": f"{work}/bin:{os.environ['PATH']}",
            "REGISTRY_CONFIG": str(registry.config_path),
            "DOCKER_HOST": docker.socket,
            "HOME": str(work),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    ).stdout
    shown = [t.replace("127.0.0.1:5000", registry.address) for t in blocks(PAGE, "text")]
    printed = output.split(MARK + "\n")
    assert len(printed) == len(shown) + 1, output
    for want, got in zip(shown, printed):
        # What the page does not show: notes that depend on the machine.
        got = "".join(l for l in got.splitlines(True) if not l.startswith("registry: note:"))
        assert re.fullmatch(pattern(want), got), f"shown:\n{want}\nprinted:\n{got}"
