"""scripts/check_names.py, check_mentions.py and check_headers.py find what they are there for."""

import sys

from server import TOP

sys.path.insert(0, str(TOP / "scripts"))
import check_headers  # noqa: E402
import check_mentions  # noqa: E402
import check_names  # noqa: E402


def tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_two_files_of_one_name_are_found_but_for_drivers(tmp_path):
    names = ("api/user.c", "api/user.h", "auth/people/user.c", "store/mem.c", "base/mem.c")
    found = check_names.problems(tree(tmp_path, dict.fromkeys(names, "")))
    assert found == ["one name: src/api/user.c, src/auth/people/user.c"]


def test_a_file_that_a_comment_mentions_and_that_is_gone_is_found(tmp_path):
    tree(tmp_path, {
        "ARCHITECTURE.md": "`api/user.c`, `api/gone.c` and <jansson.h>",
        "src/api/user.c": "/* See user.c,\n * gone.h (design.md). */\n#include \"none.h\"\nint f(void);",
    })
    assert list(check_mentions.problems(tmp_path)) == [
        "src/api/user.c:2: there is no gone.h",
        "src/api/user.c:2: there is no design.md",
        "ARCHITECTURE.md:1: there is no api/gone.c",
    ]


def test_a_header_of_two_files_is_found(tmp_path):
    tree(tmp_path, {
        "a/one.h": "int one(void);\nERR_CHECKED enum x two(struct y *z,\n int n);",
        "a/one.c": "int one(void)\n{\n}\nstatic int two_of(void)\n{\n}\n",
        "a/two.c": "enum x two(struct y *z,\n int n)\n{\n}\n",
        "a/own.h": "/* two(void); */ struct y {\n int (*two)(void);\n};\nint three(void);",
        "a/own.c": "int three(void)\n{\n}\n",
    })
    assert list(check_headers.problems(tmp_path, set())) == ["src/a/one.h declares what is in a/two.c"]
    assert list(check_headers.problems(tmp_path, {"a/one.h"})) == []
    assert list(check_headers.problems(tmp_path, {"a/one.h", "a/own.h"})) == [
        "src/a/own.h is that of one file: scripts/check_headers.py need not name it"
    ]
