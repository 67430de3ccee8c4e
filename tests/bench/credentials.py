"""How clients sign in at the servers: a password kept as the usual tools keep it, or a token of an
issuer outside, whose certificate the servers trust."""

import base64
import crypt
import datetime
import json
import os
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

USER, PASSWORD = "bench", "no secret: this user lives as long as the benchmark"
SERVICE = ISSUER = "bench"
REALM = "http://127.0.0.1/token"  # nobody is asked there
BCRYPT_COST = 10  # what htpasswd -B and the registries' own documents propose


def basic():
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def write_htpasswd(path):
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << BCRYPT_COST)
    with open(path, "w") as f:
        f.write(f"{USER}:{crypt.crypt(PASSWORD, salt)}\n")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """A key with a certificate in `path`, and tokens as a registry's token service makes them."""

    def __init__(self, path):
        self.path = path
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        with open(path, "wb") as f:
            f.write(certificate.public_bytes(serialization.Encoding.PEM))

    def token(self, *repositories):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self.der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + 24 * 3600,
            "jti": os.urandom(16).hex(),
            "access": [
                {"type": "repository", "name": name, "actions": ["pull", "push"]}
                for name in repositories
            ],
        }
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
