"""docs/api.md: the examples run and print what the page shows."""

import re
import subprocess

from accounts import Accounts, environment
from documented import blocks, page, pattern

PAGE = page("api.md")


# Entries of the trail are written a moment after what they tell of.
WRITTEN = """
until admin "$api/audit?action=policy%20rm&result=ok" | grep -q '"policy rm"'; do sleep 0.05; done
"""


def test_the_examples_of_the_page_do_as_it_says(new_registry):
    accounts = Accounts(new_registry(config={"auth": "local"}))
    accounts.add("alice", "--admin")
    accounts.registry.start()
    script = "".join((WRITTEN if "/audit?" in b else "") + b for b in blocks(PAGE, "sh"))
    script = script.replace("127.0.0.1:5000", accounts.registry.address)
    shown = "".join(blocks(PAGE, "text"))
    printed = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True,
                             text=True, timeout=60, env=environment(), check=True).stdout
    assert re.fullmatch(pattern(shown), printed), f"shown:\n{shown}\nprinted:\n{printed}"
