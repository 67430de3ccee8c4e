"""A stand-in for the token service of AWS: GetCallerIdentity, and the check of its signature.

Signature Version 4 is checked here as the AWS documentation describes it ("Create a signed AWS API
request"), independently of what signed. No other action is known.
"""

import hashlib
import hmac
import json
import ssl
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

REGION = "us-east-1"
LIFETIME = timedelta(minutes=15)  # AWS looks no further, whatever X-Amz-Expires says


class Credentials:
    """What a caller signs with, and who that is."""

    def __init__(self, name, arn, session_token=None):
        self.access_key = f"AKIA{name.upper()}"
        self.secret = f"secret/of+{name}"
        self.session_token = session_token
        self.arn = arn


def role_session(account, role, session="session-1"):
    return Credentials(
        f"{role}{session}{account}".replace("-", ""),
        f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        # as long as those of AWS, and with what has to be encoded
        session_token="IQoJb3JpZ2luX2Vj/+=" + "x/Y+" * 250,
    )


def _sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, scope, to_sign):
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = _sign(key, part)
    return _sign(key, to_sign).hex()


class Refused(Exception):
    pass


def check(path, headers, known):
    """The Credentials that signed this GET; Refused when none did."""
    url = urlsplit(path)
    query = dict(parse_qsl(url.query, strict_parsing=True))
    given = query.pop("X-Amz-Signature")
    access_key, *scope = query["X-Amz-Credential"].split("/")
    signed = query["X-Amz-SignedHeaders"].split(";")
    made = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    who = known.get(access_key)
    if who is None or query.get("X-Amz-Security-Token") != who.session_token:
        raise Refused("InvalidClientTokenId")
    if scope != [f"{made:%Y%m%d}", REGION, "sts", "aws4_request"]:
        raise Refused("SignatureDoesNotMatch")
    if datetime.now(timezone.utc) - made > LIFETIME:
        raise Refused("ExpiredToken")
    canonical = "\n".join(
        [
            "GET",
            url.path,
            "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items())),
            *(f"{name}:{' '.join((headers.get(name) or '').split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(b"").hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([query["X-Amz-Algorithm"], query["X-Amz-Date"], "/".join(scope), hashed])
    if not hmac.compare_digest(signature(who.secret, scope, to_sign), given):
        raise Refused("SignatureDoesNotMatch")
    return who


class Sts:
    """The server, on a free port of loopback. In `asked` stand the requests that came.

    answer, when set, is called with the handler in place of the ordinary answer.
    """

    def __init__(self, *known, certificate=None):
        self.known = {c.access_key: c for c in known}
        self.asked = []
        self.answer = None
        sts = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                sts.asked.append((self.path, dict(self.headers)))
                (sts.answer or sts.ordinary)(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # the registry has hung up
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @staticmethod
    def send(handler, status, document, **headers):
        body = json.dumps(document).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def ordinary(self, handler):
        try:
            who = check(handler.path, handler.headers, self.known)
        except (Refused, KeyError, ValueError) as error:
            self.send(handler, 403, {"Error": {"Code": str(error), "Type": "Sender"}})
            return
        result = {"Account": who.arn.split(":")[4], "Arn": who.arn, "UserId": "AROA:session"}
        self.send(
            handler,
            200,
            {"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}},
        )
