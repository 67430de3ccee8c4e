"""A real LDAP server, slapd, with a handful of people, on ports and in a directory of its own."""

import signal
import socket
import subprocess
from pathlib import Path

from certificates import authority, certificate
from processes import DIES_WITH_US, free_port
from waiting import until

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ADMIN = f"cn=admin,{BASE}"
SERVICE = f"cn=registry,{BASE}"
ADMIN_PASSWORD = "admin-Secret1"
SERVICE_PASSWORD = "service-Secret2"
PASSWORDS = {"alice": "wonder-Land9", "bob": "build-It7", "carol": "all-Mighty5"}

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {work}/slapd.pid
TLSCACertificateFile {work}/authority.pem
TLSCertificateFile {work}/server.pem
TLSCertificateKeyFile {work}/server.key
{settings}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {admin_password}
directory {work}/data
maxsize 16777216
dbnosync
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by anonymous auth by * none
"""

ENTRIES = f"""
dn: {BASE}
objectClass: domain
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: registry
userPassword: {SERVICE_PASSWORD}
""" + "".join(
    f"""
dn: uid={name},{PEOPLE}
objectClass: inetOrgPerson
objectClass: shadowAccount
uid: {name}
cn: {name}
sn: {name}
mail: {name}@example.org
userPassword: {password}
shadowLastChange: 20000
"""
    for name, password in PASSWORDS.items()
)


def person(name):
    return f"uid={name},{PEOPLE}"


class Slapd:
    """slapd with alice, bob and carol in it; groups are made by the tests.

    settings are further lines of its configuration, for all of the server.
    """

    def __init__(self, work, settings=""):
        self.work = Path(work)
        (self.work / "data").mkdir(parents=True)
        self.port, self.tls_port = free_port(), free_port()
        self.log_path = self.work / "slapd.log"
        self.authority = authority(self.work, "authority")
        certificate(self.work, "server", self.authority)
        self.config = self.work / "slapd.conf"
        self.configure(settings)
        self.process = None

    def configure(self, settings):
        """In force from the next start."""
        self.config.write_text(
            CONFIG.format(
                work=self.work,
                base=BASE,
                admin=ADMIN,
                admin_password=ADMIN_PASSWORD,
                service=SERVICE,
                settings=settings,
            )
        )

    @property
    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def other_tls_url(self):
        """An address that is not in its certificate."""
        return f"ldaps://127.0.0.2:{self.tls_port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def start(self):
        """On the ports of the last time. The first time, on others when someone else was quicker."""
        new = self.process is None
        while not self._spawn() and new:
            self.port, self.tls_port = free_port(), free_port()
        assert self.process.poll() is None, f"slapd ended:\n{self.log[-4000:]}"
        if new:
            self.add(ENTRIES)
        return self

    def _spawn(self):
        """True when it answers, False when it has ended instead."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [
                    *DIES_WITH_US,
                    *("/usr/sbin/slapd", "-f", self.config, "-d", "stats"),
                    *("-h", f"{self.url} {self.tls_url} {self.other_tls_url}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        seen = self.count("ACCEPT")
        until(lambda: self.process.poll() is not None or self._answers(seen))
        if self.process.poll() is None:
            return True
        assert "listener initialization failed" in self.log, f"slapd ended:\n{self.log[-4000:]}"
        return False

    def _answers(self, seen):
        """Its log tells of a connection: so it was this server that took it."""
        try:
            socket.create_connection(("127.0.0.1", self.tls_port), 5).close()
        except OSError:
            return False
        return self.count("ACCEPT") > seen

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    # Changes

    def _tool(self, name, ldif):
        result = subprocess.run(
            [name, "-x", "-H", self.url, "-D", ADMIN, "-w", ADMIN_PASSWORD],
            input=ldif,
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert result.returncode == 0, f"{name}: {result.stderr}\n{self.log[-4000:]}"

    def add(self, entries):
        self._tool("ldapadd", entries)

    def add_group(self, name, *members):
        lines = "".join(f"member: {person(m)}\n" for m in members)
        entry = f"dn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}\n{lines}"
        self.add(entry)

    def modify(self, dn, change):
        """change: what ldapmodify reads after the name, such as "replace: mail\\nmail: a@b"."""
        self._tool("ldapmodify", f"dn: {dn}\nchangetype: modify\n{change}\n")

    def remove(self, dn):
        self._tool("ldapmodify", f"dn: {dn}\nchangetype: delete\n")

    # What it was asked

    def count(self, operation):
        """How often clients asked for it, as the log names it: "BIND dn", "SRCH base", "ACCEPT"."""
        lines = [l for l in self.log.splitlines() if " mech=" not in l]  # the results of binds
        return sum(f" {operation}" in line for line in lines)
