"""What scripts/bench --policy measures of webhooks: pushes beside a receiver that is down, and how soon one that is back has
heard what waited."""

import json
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing

import seed
from policy_rows import push_images
from rows import NOTIFYING, OURS, Goal, Row, Running
from servers import Registry, free_port

REPOSITORIES = 20


class NotifyingRegistry(Registry):
    """With a webhook to a port where nobody listens, at first."""

    name = NOTIFYING

    def __init__(self, base, program):
        super().__init__(base, program)
        self.receiver = free_port()

    def more(self):
        hook = {"name": "hook", "url": f"http://127.0.0.1:{self.receiver}/in", "allow_private": True}
        return super().more() + f"webhooks: {json.dumps([hook])}\noutbox: {{keep: 1000000}}\n"

    def fill(self, count):
        """Events of pushes, that wait. The server does not run."""
        with closing(sqlite3.connect(f"{self.content}/registry.db")) as db, db:
            db.execute("DELETE FROM records WHERE collection IN ('outbox', 'events', 'events.state', 'notify.targets')")
            rows = ((f"{n:016d}", json.dumps(event(n), separators=(",", ":"))) for n in range(1, count + 1))
            db.executemany("INSERT INTO records VALUES ('events', ?, ?, 1)", rows)
            db.execute("INSERT INTO records VALUES ('events.state', 'last', ?, 1)", (str(count),))
            db.execute("INSERT INTO records VALUES ('notify.targets', 'webhook.hook', '{\"cursor\":0}', 1)")

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def event(n):
    return {
        "id": str(uuid.UUID(int=n)), "event": "manifest.pushed", "time": "2027-01-02T03:04:05.678Z",
        "repository": f"team/app{n % REPOSITORIES}", "digest": "sha256:" + "0" * 64, "size": 1234,
        "media_type": "application/vnd.oci.image.manifest.v1+json", "tags": ["v1"], "actor": "user:alice",
        "address": "192.0.2.1", "request_id": "r", "method": "PUT", "host": "h", "user_agent": "docker/29",
        "n": n // REPOSITORIES,
    }  # fmt: skip


# Says "N" when it has taken N events, each repository's in order.
RECEIVER = """
import asyncio, json, sys

last, taken, want = {}, 0, int(sys.argv[2])

class Hook(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""

    def data_received(self, data):
        self.rest += data
        while b"\\r\\n\\r\\n" in self.rest:
            head, _, body = self.rest.partition(b"\\r\\n\\r\\n")
            n = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
            if len(body) < n:
                return
            self.rest = body[n:]
            self.take(json.loads(body[:n]))
            self.transport.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")

    def take(self, event):
        global taken
        assert event["data"]["n"] >= last.get(event["subject"], -1), "out of order"
        last[event["subject"]] = event["data"]["n"]
        taken += 1
        if taken == want:
            print(taken, flush=True)

async def main():
    server = await asyncio.get_running_loop().create_server(Hook, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


def notified_pushes(bench):
    """manifest PUT beside a webhook whose receiver is down"""
    servers = bench.some(OURS, NOTIFYING)
    count = bench.pick(1000, 200)
    row = Row("manifest PUT, one after the other, beside a webhook whose receiver is down", "pushes/s",
              [Goal(1 / 0.95, NOTIFYING, at_most=True)], note="Without the webhook, divided by with it.")  # fmt: skip
    with Running(servers, seed.seed_image):

        def measure(server, run):
            row.add(server.name, count / push_images(server, count, run))

        bench.in_turn(row.title, servers, measure)
    return [row]


def notified_backlog(bench):
    """events that waited, delivered in order when the receiver is back"""
    servers = bench.some(NOTIFYING)
    count = bench.pick(100_000, 10_000)
    note = "Wanted are 500 a second, and no memory while they wait."
    rate = Row(f"{count} waiting events, delivered", "events/s", note=note)
    memory = Row(f"memory of the server while {count} events wait", "MiB")

    def measure(server, _run):
        server.start()  # there is a database then
        server.stop()
        server.fill(count)
        server.start()
        time.sleep(2)
        memory.add(server.name, server.rss_mib())
        begin = time.monotonic()
        command = [sys.executable, "-c", RECEIVER, str(server.receiver), str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as receiver:
            assert receiver.stdout.readline(), "the receiver has ended"
            rate.add(server.name, count / (time.monotonic() - begin))
            receiver.kill()
        server.fresh()

    bench.in_turn(rate.title, servers, measure)
    return [rate, memory]


GROUPS = [notified_pushes, notified_backlog]
