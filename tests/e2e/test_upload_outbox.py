"""What became of an upload of an archive is an event of the outbox."""

import pytest
import tus
from archives import crafted, upload
from helpers import Client, Wire
from outbox import all_events
from places import NAMES, place
from test_upload_sessions import WHERE, large
from waiting import until

FINE = crafted.GOOD
ENDED = "upload.ended"


@pytest.mark.parametrize("where", [*NAMES, "table"])
def test_each_database_has_an_event_for_each_end(where, s3_servers, new_registry):
    server = s3_servers("dynamodb") if where == "table" else None
    with place(where, s3_servers) as config:
        registry = new_registry(config=config).start()
        with Client(registry.url) as client:
            stored = upload(client, FINE, **WHERE)
            refused = upload(client, FINE[:3000], expect=400, **WHERE)
            session = tus.Upload.begin(client, len(FINE), **WHERE)
            session.delete()
            ends = {event["upload"]: event for event in all_events(registry, ENDED, 3, server)}
        registry.stop()
    done, failed, cancelled = ends[stored["id"]], ends[refused["detail"]["upload"]], ends[session.path[-36:]]
    assert (done["result"], done["received"]) == ("done", len(FINE))
    assert [(i["digest"], i["tags"]) for i in done["images"]] == [(i["digest"], i["tags"]) for i in stored["images"]]
    assert (failed["result"], failed["failed_in"]) == ("failed", "verifying")
    assert (failed["error"]["reason"], failed["error"]["wrong"]) == ("CUT", refused["detail"]["wrong"])
    assert (cancelled["result"], cancelled["way"]) == ("cancelled", "session")


def test_a_session_s_end_is_told_once(registry, client):
    session = tus.Upload.begin(client, len(FINE), **WHERE)
    session.patch(0, FINE)
    session.result()
    session.result()
    (event,) = all_events(registry, ENDED, 1)
    assert (event["result"], event["way"]) == ("done", "session")


def test_what_a_killed_server_was_receiving_is_told_of_when_it_starts_again(registry, client):
    data = large()
    with Wire(registry.url) as wire:
        wire.send_request("PUT", "/upload-image?repository=team/app&tag=v1", {"Content-Length": len(data)}, data[:200_000])
        (row,) = until(lambda: client.request("GET", "/api/v1/uploads?result=running").json()["uploads"] or None)
        registry.kill()
    registry.start()
    (event,) = all_events(registry, ENDED, 1)
    assert (event["upload"], event["result"], event["failed_in"]) == (row["id"], "lost", "receiving")
