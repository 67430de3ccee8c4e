"""Commands that delete and look back, over a table of DynamoDB: the tests of each, on another database."""

import pytest

from server import merged
from test_repo_rm import (  # noqa: F401  (tests of this file, over its registry)
    test_the_command_deletes_a_repository_beside_a_server_or_without_one,
    test_the_command_deletes_tags_by_pattern_and_age,
    test_what_repositories_hold_is_listed_with_its_size,
)
from test_retention import test_the_command_shows_each_decision_and_carries_it_out  # noqa: F401
from test_tag_history import test_the_command_rolls_back_by_the_server_that_runs  # noqa: F401


@pytest.fixture
def new_registry(table, new_registry):
    def make(config=None, **more):
        return new_registry(config=merged({"metadata": table.section()}, config or {}), **more)

    return make
