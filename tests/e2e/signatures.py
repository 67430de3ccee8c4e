"""Signatures as cosign writes them beside an image, made with keys of a test."""

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from helpers import OCI_CONFIG, artifact, canonical

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
COSIGN_SIGNED = "https://sigstore.dev/cosign/sign/v1"
IN_TOTO = "application/vnd.in-toto+json"


class Key:
    def __init__(self, path):
        """Its public half is in that file, as PEM."""
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.path = path
        path.write_bytes(
            self.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, data):
        return base64.b64encode(self.private.sign(data, ec.ECDSA(hashes.SHA256()))).decode()


def simple_payload(repo, digest):
    """What cosign 1 and 2 sign of an image."""
    return canonical({
        "critical": {
            "identity": {"docker-reference": "registry.example/" + repo},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    })  # fmt: skip


def sign_simply(client, repo, image, key, digest=None):
    """By the tag that cosign 1 and 2 write; digest is what the payload says, if not the image's."""
    payload = simple_payload(repo, digest or image.digest)
    signed = artifact(None, layers=[(SIMPLE, payload)], config=(OCI_CONFIG, b"{}"))
    manifest = json.loads(signed.manifest)
    manifest["layers"][0]["annotations"] = {"dev.cosignproject.cosign/signature": key.sign(payload)}
    signed.manifest = canonical(manifest)
    client.push_image(repo, signed, image.digest.replace(":", "-") + ".sig")


def statement(digest, predicate_type, predicate):
    """in-toto's, of one image."""
    return canonical({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.partition(":")[2]}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    })  # fmt: skip


def encoded(payload):
    """What is signed of a DSSE envelope."""
    return b"DSSEv1 %d %s %d %s" % (len(IN_TOTO), IN_TOTO.encode(), len(payload), payload)


def sign_by_bundle(client, repo, image, key, digest=None, predicate=COSIGN_SIGNED, **stated):
    """By the referrer that cosign 3 writes."""
    payload = statement(digest or image.digest, predicate, stated)
    bundle = canonical({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": key.sign(encoded(payload))}],
        },
    })  # fmt: skip
    signed = artifact(BUNDLE, layers=[(BUNDLE, bundle)], subject=image.descriptor())
    client.push_image(repo, signed)
    return signed
