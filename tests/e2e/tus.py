"""Uploads of archives that can be resumed, request by request, as tus 1.0.0 says."""

import base64
import hashlib
from urllib.parse import urljoin

from waiting import until

VERSION = {"Tus-Resumable": "1.0.0"}
TYPE = "application/offset+octet-stream"


def metadata(**values):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def checksum(data, algorithm="sha1"):
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


class Upload:
    """One session, of a Client of helpers.py. Each request checks the status that is wanted, and returns the answer."""

    def __init__(self, client, location):
        self.client = client
        self.path = location[location.index("/api/") :]

    @classmethod
    def begin(cls, client, length=None, **values):
        """length None: it is told later."""
        headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        answer = post(client, 201, {"Upload-Metadata": metadata(**values)} | headers)
        return cls(client, urljoin(client.url, answer.headers["Location"]))

    def at(self, client):
        """The same one, asked of another registry."""
        return Upload(client, self.path)

    def request(self, method, expect, headers=None, data=b"", **more):
        return self.client.request(method, self.path, expect, headers=VERSION | (headers or {}), data=data, **more)

    def head(self, expect=200):
        return self.request("HEAD", expect)

    def offset(self):
        return int(self.head().headers["Upload-Offset"])

    def patch(self, offset, data, expect=204, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("PATCH", expect, {"Content-Type": TYPE, "Upload-Offset": str(offset)} | named, data)

    def delete(self, expect=204):
        return self.request("DELETE", expect)

    def complete(self, expect=(201, 202)):
        return self.client.request("POST", self.path + "/complete", expect)

    def result(self, expect=201):
        """What came of it, when that is known."""
        return until(lambda: self._ended(expect), timeout=60)

    def _ended(self, expect):
        answer = self.complete((202, expect))
        return answer if answer.status_code != 202 else None


def post(client, expect, headers, data=b"", **params):
    return client.request("POST", "/api/v1/uploads", expect, headers=VERSION | headers, data=data, params=params)
