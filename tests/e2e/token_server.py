"""A token service as others run it for the reference registry: it signs, the registry only checks.

Keys come from openssl-made certificates (certificates.py) or are made here; nothing of the code
under test is used.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value, size=None):
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key that signs tokens: RS256, or ES256."""

    def __init__(self, private=None, kid=None, kind="EC"):
        if private is None:
            private = (
                ec.generate_private_key(ec.SECP256R1())
                if kind == "EC"
                else rsa.generate_private_key(65537, 2048)
            )
        self.private = private
        self.public = private.public_key()
        self.algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
        self.kid = kid

    @classmethod
    def of(cls, certificate):
        """That of a certificate's file, with the key beside it."""
        pem = certificate.with_suffix(".key").read_bytes()
        key = cls(serialization.load_pem_private_key(pem, None))
        key.kid = key.libtrust_id()
        return key

    def libtrust_id(self):
        der = self.public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
        return ":".join(text[i : i + 4] for i in range(0, 48, 4))

    def jwk(self):
        n = self.public.public_numbers()
        if self.algorithm == "RS256":
            return {"kty": "RSA", "n": _number(n.n), "e": _number(n.e)}
        return {"kty": "EC", "crv": "P-256", "x": _number(n.x, 32), "y": _number(n.y, 32)}

    def thumbprint(self):
        text = json.dumps(self.jwk(), sort_keys=True, separators=(",", ":"))
        return b64url(hashlib.sha256(text.encode()).digest())

    def public_pem(self):
        return self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data):
        if self.algorithm == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def token(self, claims, **header):
        """A token with these claims; header members go over the usual ones, None removes one."""
        members = {"typ": "JWT", "alg": self.algorithm, "kid": self.kid, **header}
        members = {k: v for k, v in members.items() if v is not None}
        signed = ".".join(b64url(json.dumps(part).encode()) for part in (members, claims))
        return f"{signed}.{b64url(self.sign(signed.encode()))}"


def jwks(*keys):
    return json.dumps({"keys": [{**k.jwk(), "kid": k.kid, "alg": k.algorithm} for k in keys]})


def unsigned(claims):
    parts = ({"typ": "JWT", "alg": "none"}, claims)
    return ".".join(b64url(json.dumps(part).encode()) for part in parts) + "."


def with_secret(claims, secret, **header):
    """HS256, with what everybody knows as the secret."""
    parts = ({"typ": "JWT", "alg": "HS256", **header}, claims)
    signed = ".".join(b64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{b64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def x5c(*certificates):
    """The header's chain, leaf first."""
    found = [x509.load_pem_x509_certificate(c.read_bytes()) for c in certificates]
    return [
        base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in found
    ]


ISSUER = "tokens.example.org"
SERVICE = "registry.example.org"


def claims(access=(), sub="alice", **more):
    now = int(time.time())
    made = {"iss": ISSUER, "sub": sub, "aud": SERVICE, "exp": now + 300, "nbf": now, "iat": now,
            "jti": str(now), "access": list(access), **more}
    return {k: v for k, v in made.items() if v is not None}


def access(name, *actions, type="repository"):
    return {"type": type, "name": name, "actions": list(actions)}


class TokenServer:
    """Answers GET and POST /token. rights: what each user may do, as {user: {repository: actions}};
    the user "" is whoever shows no password. Signs with key, under header."""

    def __init__(self, key, people, rights, **header):
        self.key, self.people, self.rights, self.header = key, people, rights, header
        self.asked = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def realm(self):
        return f"http://localhost:{self.server.server_address[1]}/token"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, user, scopes):
        granted = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            may = [a for a in actions.split(",") if a in self.rights.get(user, {}).get(name, ())]
            if may:
                granted.append(access(name, *may, type=kind))
        token = self.key.token(claims(granted, sub=user), **self.header)
        return json.dumps({"token": token, "access_token": token, "expires_in": 300}).encode()

    def _handler(outer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _user(self):
                scheme, _, coded = self.headers.get("Authorization", "").partition(" ")
                if scheme != "Basic":
                    return ""
                user, _, password = base64.b64decode(coded).decode().partition(":")
                return user if outer.people.get(user) == password else None

            def _send(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _answer(self, user, parameters):
                outer.asked.append(parameters)
                scopes = [s for text in parameters.get("scope", []) for s in text.split(" ")]
                if user is None or parameters.get("service") != [SERVICE]:
                    return self._send(401, b'{"details":"incorrect username or password"}')
                return self._send(200, outer.answer(user, scopes))

            def do_GET(self):
                self._answer(self._user(), parse_qs(urlsplit(self.path).query))

            def do_POST(self):
                # Clients that get 404 here go on with GET.
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self._send(404, b"{}")

        return Handler
