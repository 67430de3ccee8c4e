"""An image goes in and comes out, byte for byte."""

import pytest

from helpers import image, index

pytestmark = pytest.mark.sanitize


def test_image_comes_back_as_it_was_pushed(client):
    pushed = image(seed=1, layers=3)
    client.push_image("library/app", pushed, "v1")
    assert client.pull_image("library/app", "v1") == pushed
    assert client.pull_image("library/app", pushed.digest) == pushed
    assert client.tags("library/app") == ["v1"]
    assert client.catalog() == ["library/app"]


def test_index_comes_back_with_its_images(client):
    pushed = index([image(seed=1), image(seed=2)])
    client.push_image("multi", pushed, "latest")
    assert client.pull_image("multi", "latest") == pushed
