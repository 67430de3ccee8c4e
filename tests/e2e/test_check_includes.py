"""scripts/check_includes.py finds what it is there for, in trees made for it."""

import sys

import pytest
from server import TOP

sys.path.insert(0, str(TOP / "scripts"))
import check_includes  # noqa: E402

FOLDERS = {"base": set(), "house": {"base"}}
PARTS = {"house": check_includes.order("cellar", "kitchen parlour", "attic")}
TREE = {
    "base/str.h": "",
    "house/cellar.h": '#include "base/str.h"',
    "house/kitchen/stove.h": "",
    "house/kitchen/stove.c": '#include "house/kitchen/stove.h"\n#include "house/cellar.h"',
    "house/parlour.h": '#include "house/cellar.h"',
    "house/attic.c": '#include "house/kitchen/stove.h"\n#include "house/parlour.h"',
}


@pytest.fixture
def problems(tmp_path):
    def of(changes):
        for name, text in {**TREE, **changes}.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
        return check_includes.problems(tmp_path, FOLDERS, PARTS)

    return of


def test_what_stands_in_order_is_no_problem(problems):
    assert problems({}) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("base/str.h", '#include "house/cellar.h"', "base may include nothing, but not house"),
        ("house/cellar.h", '#include "house/attic.h"', "cellar may include nothing, but not attic"),
        ("house/cellar.h", '#include "attic.h"', "cellar may include nothing, but not attic"),
        ("house/kitchen/stove.h", '#  include "house/parlour.h"', "kitchen may include cellar, but not parlour"),
        ("house/parlour.h", '#include "house/kitchen/stove.h"', "parlour may include cellar, but not kitchen"),
        ("house/shed.c", "", "no part 'shed' in the tables of scripts/check_includes.py"),
        ("yard/gate.h", "", "no folder 'yard' in the tables of scripts/check_includes.py"),
        ("gate.h", "", "no folder '.' in the tables of scripts/check_includes.py"),
    ],
)
def test_an_include_that_points_up_is_found(problems, name, text, problem):
    found = [p for p in problems({name: text}) if not p.startswith("in a circle")]
    assert found == [f"src/{name}: {problem}"]


def test_a_part_that_is_gone_is_found_in_the_table(problems):
    found = problems({"house/attic.c": None})
    assert found == ["src/house: nothing is called 'attic', as scripts/check_includes.py says"]


def test_files_that_go_in_a_circle_are_found(problems):
    found = problems({
        "house/kitchen/stove.c": '#include "house/kitchen/pan.h"',
        "house/kitchen/pan.h": "",
        "house/kitchen/pan.c": '#include "pan.h"\n#include "house/kitchen/stove.h"',
    })
    circle = "src/house/kitchen/stove -> house/kitchen/pan -> house/kitchen/stove"
    assert found == [f"in a circle: {circle}"]
