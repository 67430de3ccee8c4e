"""docs/api.md: the examples run and print what the page shows."""

import re
import subprocess

from accounts import Accounts, environment
from server import TOP
from test_users_docs import pattern

PAGE = (TOP / "docs" / "api.md").read_text()


def test_the_examples_of_the_page_do_as_it_says(new_registry):
    accounts = Accounts(new_registry(config={"auth": "local"}))
    accounts.add("alice", "--admin")
    accounts.registry.start()
    script, shown = (
        "".join(re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)) for kind in ("sh", "text")
    )
    script = script.replace("127.0.0.1:5000", accounts.registry.address)
    printed = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True,
                             text=True, timeout=60, env=environment(), check=True).stdout
    assert re.fullmatch(pattern(shown), printed), f"shown:\n{shown}\nprinted:\n{printed}"
