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


def certificate(directory, name, issuer, addresses="IP:127.0.0.1,DNS:localhost"):
    """A certificate for a server at those addresses and for clients, signed by an authority()."""
    return _make(
        Path(directory) / f"{name}.pem",
        name,
        *("-CA", issuer, "-CAkey", issuer.with_suffix(".key")),
        *("-addext", f"subjectAltName={addresses}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "extendedKeyUsage=serverAuth,clientAuth"),
    )


def code_signer(directory, name, issuer, alternative):
    """A certificate that may sign code, of "email:TEXT" or another alternative name, signed by an authority()."""
    return _make(
        Path(directory) / f"{name}.pem",
        name,
        *("-CA", issuer, "-CAkey", issuer.with_suffix(".key")),
        *("-addext", f"subjectAltName={alternative}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "keyUsage=critical,digitalSignature"),
        *("-addext", "extendedKeyUsage=codeSigning"),
    )


CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {home}/index.txt
rand_serial = yes
certificate = {home}/ca.pem
private_key = {home}/ca.key
new_certs_dir = {home}
default_md = sha256
default_days = 2
default_crl_days = 2
policy = any
preserve = yes
unique_subject = no
string_mask = utf8only
[any]
commonName = optional
organizationName = optional
organizationalUnitName = optional
[req]
distinguished_name = name
string_mask = utf8only
[name]
"""


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """An authority that issues certificates for clients, and lists those that it has revoked.

    pem is its own certificate. One with an issuer is an intermediate authority.
    """

    def __init__(self, home, name, issuer=None):
        self.home = Path(home) / name
        self.home.mkdir()
        self.pem = self.home / "ca.pem"
        (self.home / "index.txt").touch()
        (self.home / "openssl.cnf").write_text(CA_CONFIG.format(home=self.home))
        more = ["-CA", issuer.pem, "-CAkey", issuer.pem.with_suffix(".key")] if issuer else []
        _make(self.pem, name, *more, *("-addext", "keyUsage=critical,keyCertSign,cRLSign"))

    def _ca(self, *words):
        _openssl("ca", "-batch", "-config", self.home / "openssl.cnf", *words)

    def issue(self, subject, san=None, until=None, usage="clientAuth"):
        """The file of a new certificate, its key beside it; until: when it expires (UTC)."""
        path = self.home / f"{len(list(self.home.glob('*.csr')))}.pem"
        request, extensions = path.with_suffix(".csr"), path.with_suffix(".ext")
        lines = ["basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}"]
        lines += [f"subjectAltName={san}"] if san else []
        extensions.write_text("\n".join(lines) + "\n")
        _openssl(
            *("req", "-new", "-nodes", "-utf8", "-subj", subject),
            *("-config", self.home / "openssl.cnf"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", path.with_suffix(".key"), "-out", request),
        )
        ends = ["-enddate", until.strftime("%Y%m%d%H%M%SZ")] if until else []
        begins = ["-startdate", "20200101000000Z"]
        self._ca("-notext", "-in", request, "-out", path, "-extfile", extensions, *begins, *ends)
        return path

    def revoke(self, certificate):
        self._ca("-revoke", certificate)

    def revoked(self, *more):
        """The list of what is revoked, PEM."""
        path = self.home / "crl.pem"
        self._ca("-gencrl", "-out", path, *more)
        return path.read_text()
