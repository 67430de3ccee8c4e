"""Signatures by certificates as sigstore's clients make them, with authorities and a log that live for one run of
a Go program (sigstore/)."""

import base64
import json
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from go_programs import built
from helpers import OCI_CONFIG, artifact, canonical
from signatures import BUNDLE, COSIGN_SIGNED, SIMPLE, simple_payload, statement

IDENTITY = "ci@example.org"
ISSUER = "https://issuer.example"


class Sigstore:
    def __init__(self, folder):
        self.folder = folder
        self.program = built(Path(__file__).parent / "sigstore")
        self.trusted_root = folder / "trusted_root.json"
        self.roots = folder / "roots.pem"
        self.log = folder / "log.pub"
        self.stamps = folder / "stamps.pem"

    def make(self, *requests):
        """A bundle for each (form, bytes)."""
        lines = [json.dumps({"form": form, "text": base64.b64encode(text).decode()}) for form, text in requests]
        done = subprocess.run(
            [self.program, "make", self.folder, IDENTITY, ISSUER],
            input="\n".join(lines), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def says(self, bundle, image, identity=IDENTITY, issuer=ISSUER):
        """"" when sigstore-go finds it good, or else why not."""
        path = self.folder / "bundle.json"
        path.write_text(json.dumps(bundle))
        command = [self.program, "verify", self.trusted_root, path, identity, issuer, image.digest.partition(":")[2]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return "" if done.returncode == 0 else done.stdout or done.stderr


def signed_statement(image, predicate=COSIGN_SIGNED, **stated):
    return statement(image.digest, predicate, stated)


def push_bundle(client, repo, image, bundle):
    """As cosign 3 stores it."""
    client.push_image(repo, artifact(BUNDLE, layers=[(BUNDLE, canonical(bundle))], subject=image.descriptor()))


def push_simply(client, repo, image, bundle):
    """As cosign 2 stores what was signed as a message: simple_payload(repo, digest)."""
    material = bundle["verificationMaterial"]
    entry = material["tlogEntries"][0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(material["certificate"]["rawBytes"]))
    payload = simple_payload(repo, image.digest)
    signed = artifact(None, layers=[(SIMPLE, payload)], config=(OCI_CONFIG, b"{}"))
    manifest = json.loads(signed.manifest)
    manifest["layers"][0]["annotations"] = {
        "dev.cosignproject.cosign/signature": bundle["messageSignature"]["signature"],
        "dev.sigstore.cosign/certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "dev.sigstore.cosign/bundle": json.dumps({
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logIndex": int(entry["logIndex"]),
                "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
            },
        }),
    }  # fmt: skip
    signed.manifest = canonical(manifest)
    client.push_image(repo, signed, image.digest.replace(":", "-") + ".sig")
