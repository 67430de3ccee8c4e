"""Certificates for tests, made on the spot with openssl."""

import subprocess
from pathlib import Path


def _make(path, name, *more):
    path = Path(path)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", path.with_suffix(".key"), "-out", path),
            *more,
        ],
        check=True,
        capture_output=True,
    )
    return path


def authority(directory, name):
    """A self-signed authority: DIRECTORY/NAME.pem with its key beside it in NAME.key."""
    return _make(Path(directory) / f"{name}.pem", name)


def certificate(directory, name, issuer):
    """A certificate for 127.0.0.1 and for clients, signed by an authority()."""
    return _make(
        Path(directory) / f"{name}.pem",
        name,
        *("-CA", issuer, "-CAkey", issuer.with_suffix(".key")),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "extendedKeyUsage=serverAuth,clientAuth"),
    )
