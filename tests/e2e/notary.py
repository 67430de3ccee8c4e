"""Signatures of the Notary Project: authorities and signers of a test, and the program that signs and verifies with
the library of the notation command."""

import base64
import datetime
import json
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from go_programs import built
from helpers import artifact, canonical

JWS, COSE = "application/jose+json", "application/cose"
SIGNATURE = "application/vnd.cncf.notary.signature"
DAY = datetime.timedelta(days=1)
USES = [
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
]  # fmt: skip


def _usage(*uses):
    return x509.KeyUsage(**{use: use in uses for use in USES})


def _name(name):
    parts = [(NameOID.COUNTRY_NAME, "US"), (NameOID.STATE_OR_PROVINCE_NAME, "WA"),
             (NameOID.ORGANIZATION_NAME, "acme"), (NameOID.COMMON_NAME, name)]  # fmt: skip
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    def __init__(self, folder, name="root"):
        self.folder, self.name = Path(folder), _name(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._make(
            self.name, self.key, x509.BasicConstraints(ca=True, path_length=None), _usage("key_cert_sign", "crl_sign")
        )

    def _make(self, name, key, *critical, **more):
        now = datetime.datetime.utcnow()
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )
        for extension in critical:
            made = made.add_extension(extension, critical=True)
        for extension in more.values():
            made = made.add_extension(extension, critical=False)
        return made.sign(self.key, hashes.SHA256())

    def signer(self, name, key=None, lists=None):
        """lists: the address of its lists of revoked certificates, in the certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        more = {"use": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])}
        if lists:
            where = x509.DistributionPoint([x509.UniformResourceIdentifier(lists)], None, None, None)
            more["lists"] = x509.CRLDistributionPoints([where])
        return Signer(self, name, key, self._make(_name(name), key, _usage("digital_signature"), **more))

    def list_of(self, *revoked):
        """Revoked certificates, in DER."""
        now = datetime.datetime.utcnow()
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now).next_update(now + DAY)
        made = made.add_extension(x509.CRLNumber(1), critical=False)
        for signer in revoked:
            row = x509.RevokedCertificateBuilder().serial_number(signer.certificate.serial_number)
            made = made.add_revoked_certificate(row.revocation_date(now).build())
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Signer:
    def __init__(self, authority, name, key, certificate):
        self.name, self.key, self.certificate = name, key, certificate
        self.chain = [certificate, authority.certificate]
        self.key_path, self.chain_path = authority.folder / f"{name}.key", authority.folder / f"{name}.pem"
        self.key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.chain_path.write_bytes(_pem(certificate) + _pem(authority.certificate))


def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def statement(name="all", scopes=("*",), level="strict", identities=("*",), **verification):
    made = {"name": name, "registryScopes": list(scopes), "signatureVerification": {"level": level, **verification}}
    if level != "skip":
        made |= {"trustStores": ["ca:acme"], "trustedIdentities": list(identities)}
    return made


class Trust:
    """A trust policy and a trust store, where notation looks for them."""

    def __init__(self, folder, authority, *statements):
        self.folder = Path(folder)
        self.policy, self.stores = self.folder / "trustpolicy.json", self.folder / "truststore"
        (self.stores / "x509" / "ca" / "acme").mkdir(parents=True)
        (self.stores / "x509" / "ca" / "acme" / "root.pem").write_bytes(_pem(authority.certificate))
        self.policy.write_text(
            json.dumps({"version": "1.0", "trustPolicies": list(statements or [statement()])}, indent=2)
        )
        self.policy.chmod(0o600)
        self.flags = ["--notation-policy", self.policy, "--notation-certificates", self.stores]


def notation(*words):
    command = [built(Path(__file__).resolve().parent / "notation"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def jws(signer, image, **attributes):
    """An envelope with critical attributes that notation itself does not write."""
    now = datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
    protected = {
        "alg": "ES256", "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme", *attributes], "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": now, **attributes,
    }  # fmt: skip
    parts = [_base64(canonical(part)) for part in (protected, {"targetArtifact": image.descriptor()})]
    r, s = decode_dss_signature(signer.key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    return canonical({
        "protected": parts[0], "payload": parts[1], "signature": _base64(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        "header": {"x5c": [base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in signer.chain]},
    })  # fmt: skip


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(registry, repo, image, signer, form=JWS, expiry="0s"):
    done = notation(
        "sign", signer.key_path, signer.chain_path, form, expiry, f"{registry.address}/{repo}@{image.digest}"
    )
    assert done.returncode == 0, done.stdout


def verifies(registry, repo, image, trust):
    """Is that what notation says?"""
    return notation("verify", trust.folder, f"{registry.address}/{repo}@{image.digest}").returncode == 0


def envelope(client, repo, made):
    """The JWS that stands beside the image, and what else is needed to put another there."""
    (row,) = client.referrers(repo, made.digest)
    manifest = json.loads(client.get_manifest(repo, row["digest"]).content)
    layer = manifest["layers"][0]
    return layer["mediaType"], client.get_blob(repo, layer["digest"]).content, row["digest"]


def put(client, repo, made, media_type, data):
    client.push_image(repo, artifact(SIGNATURE, layers=[(media_type, data)], subject=made.descriptor()))
