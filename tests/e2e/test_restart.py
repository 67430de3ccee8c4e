"""Stopped and started again, the registry has everything it had."""

import pytest

from helpers import artifact, image, index
from server import NotReady

pytestmark = pytest.mark.sanitize


def test_everything_is_there_after_a_restart(registry, client):
    app = image(seed="app", layers=3)
    multi = index([image(seed=1), image(seed=2, architecture="arm64")])
    signature = artifact("application/vnd.example.signature", subject=app.descriptor())
    client.push_image("team/app", app, "v1")
    client.push_image("team/app", app, "v2")
    client.push_image("team/app", signature)
    client.push_image("multi", multi, "latest")
    client.delete_manifest("team/app", "v2")
    referrers = client.referrers("team/app", app.digest)

    registry.restart()

    assert client.catalog() == ["multi", "team/app"]
    assert client.tags("team/app") == ["v1"]
    assert client.pull_image("team/app", "v1") == app
    assert client.pull_image("multi", "latest") == multi
    assert client.referrers("team/app", app.digest) == referrers
    assert len(referrers) == 1


def test_a_database_that_is_missing_is_told(registry, client):
    made = image(seed="kept")
    client.push_image("app", made, "v1")
    registry.stop()
    database = registry.root / "registry.db"
    assert "no database" not in registry.log
    kept = database.rename(registry.root / "kept.db")
    with pytest.raises(NotReady, match="there is no database, but the store holds repositories"):
        registry.start()
    kept.rename(database)
    registry.start()
    assert client.pull_image("app", "v1") == made


def test_deleted_content_stays_deleted(registry, client):
    made = image(seed="gone")
    client.push_image("app", made, "v1")
    client.delete_manifest("app", made.digest)
    registry.restart()
    client.get_manifest("app", "v1", expect=404)
    client.get_manifest("app", made.digest, expect=404)
