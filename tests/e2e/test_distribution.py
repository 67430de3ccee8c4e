"""Files of the reference registry: this one and the real one, started on the same, answer alike.

The real one is Debian's docker-registry.
"""

import crypt
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from certificates import authority, certificate
from clients import ClientFailed
from helpers import OCI_CONFIG, OCI_MANIFEST, canonical, digest_of, image, tar_layer, write_oci_layout
from processes import free_port
from reference_registry import PLAIN, Theirs, listens
from server import TOP, Registry
from token_server import ISSUER, SERVICE, Key, access, claims
from waiting import until

USER = ("alice", "wonderland-7")
DEBIAN = Path("/etc/docker/registry/config.yml")

SIGNED_IN = """version: 0.1
log:
  accesslog: {{disabled: true}}
  level: debug
  formatter: json
  fields: {{service: registry, environment: staging}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}, maxthreads: 100}}
  delete: {{enabled: true}}
  maintenance:
    uploadpurging: {{enabled: true, age: 168h, interval: 24h, dryrun: false}}
    readonly: {{enabled: false}}
auth:
  htpasswd: {{realm: basic-realm, path: {users}}}
http:
  addr: 127.0.0.1:{port}
  host: https://registry.example:5000
  secret: asecretforlocaldevelopment
  draintimeout: 60s
  headers:
    X-Content-Type-Options: [nosniff]
    X-Frame-Options: [DENY]
  http2: {{disabled: true}}
health:
  storagedriver: {{enabled: true, interval: 10s, threshold: 3}}
"""

NESTED = PLAIN + "  prefix: /my/nested/registry/\n"
READ_ONLY = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def write_users(path):
    """The reference registry takes hashes of bcrypt only."""
    name, word = USER
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**5)
    path.write_text(f"{name}:{crypt.crypt(word, salt)}\n")


class Ours(Registry):
    """This registry, on such a file."""

    def __init__(self, binary, work, text, env=None):
        super().__init__(binary, work / "ours", env=env)
        self.debug = free_port()
        self.text = text.format(port=self.port, debug=self.debug, root=self.root, users=work / "users", work=work)

    def write_config(self):
        self.config_path.write_text(self.text)

    def healthy(self):
        return listens(self.port)  # whatever else it asks of clients


@pytest.fixture
def pair(work, registry_binary):
    """Starts both on the same text; returns them."""
    started = []

    def start(text, env=None):
        for one in (Theirs(work, text, env), Ours(registry_binary, work, text, env)):
            started.append(one)
            one.start()
        return started[-2:]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def ours(work, registry_binary):
    """Starts ours on a text."""
    started = []

    def start(text, env=None):
        started.append(Ours(registry_binary, work, text, env))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()


BLOB = b"a layer of bytes"
CONFIG = b"{}"


def manifest(layers=(BLOB,), urls=None):
    def descriptor(data, media_type):
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    listed = [descriptor(d, "application/vnd.oci.image.layer.v1.tar") for d in layers]
    if urls:
        foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar"
        listed.append(descriptor(b"elsewhere", foreign) | {"urls": urls})
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(CONFIG, OCI_CONFIG),
            "layers": listed,
        }
    )


class Story:
    """Requests to one of them, and what was seen: what clients go by, without what is random."""

    HEADERS = ("Docker-Content-Digest", "WWW-Authenticate", "Range", "Content-Range", "X-Frame-Options")

    def __init__(self, registry, prefix="", auth=None):
        self.base = registry.url + prefix
        self.auth = auth
        self.seen = []

    def ask(self, method, path, body=True, **kwargs):
        kwargs.setdefault("auth", self.auth)
        url = path if path.startswith("http") else self.base + path
        answer = requests.request(method, url, timeout=30, allow_redirects=False, **kwargs)
        headers = {h: answer.headers[h] for h in self.HEADERS if h in answer.headers}
        if "WWW-Authenticate" in headers:  # there the order of actions is any
            headers["WWW-Authenticate"] = headers["WWW-Authenticate"].replace("push,pull", "pull,push")
        self.seen.append((method, self.plain(url), answer.status_code, headers, self.body(answer) if body else None))
        return answer

    def plain(self, url):
        path = re.sub(r"uploads/[^?]+", "uploads/ID", url.replace(self.base, ""))
        return path.partition("?")[0]

    @staticmethod
    def body(answer):
        """Codes of errors, documents as they are, everything else by its digest. What HTTP alone refuses has a
        code here, and a line of text there."""
        if "json" not in answer.headers.get("Content-Type", "") or not answer.content:
            return [] if answer.status_code in (404, 405) else digest_of(answer.content)
        document = json.loads(answer.content)
        if "errors" in document:
            return [e["code"] for e in document["errors"] if e["code"] != "UNSUPPORTED"]
        return document

    def push_blob(self, data, repository="app"):
        """In two steps."""
        begun = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        if begun.status_code != 202:
            return
        place = urlpath(self.base, begun.headers["Location"])
        sent = self.ask("PATCH", place, data=data, headers={"Content-Type": "application/octet-stream"})
        place = urlpath(self.base, sent.headers["Location"])
        self.ask("PUT", place + ("&" if "?" in place else "?") + f"digest={digest_of(data)}")

    def put_manifest(self, reference, data, **kwargs):
        self.ask(
            "PUT", f"/v2/app/manifests/{reference}", data=data, headers={"Content-Type": OCI_MANIFEST}, **kwargs
        )


def urlpath(base, location):
    """A Location at the registry itself: the reference registry may name http.host."""
    parts = requests.compat.urlparse(location)
    root = requests.compat.urlparse(base)
    return f"{root.scheme}://{root.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def push_and_pull(story):
    accept = {"Accept": OCI_MANIFEST}
    story.ask("GET", "/v2/")
    story.ask("GET", "/v2/_catalog")
    story.ask("GET", "/v2/app/tags/list")
    story.ask("GET", "/v2/app/manifests/v1", headers=accept)
    for data in (BLOB, CONFIG):
        story.push_blob(data)
    story.ask("HEAD", f"/v2/app/blobs/{digest_of(BLOB)}")
    story.ask("GET", f"/v2/app/blobs/{digest_of(BLOB)}")
    story.ask("GET", f"/v2/app/blobs/{digest_of(BLOB)}", headers={"Range": "bytes=2-4"})
    story.ask("GET", f"/v2/app/blobs/{digest_of(b'nowhere')}")
    story.put_manifest("v1", manifest())
    story.put_manifest("v2", manifest())
    story.put_manifest("v3", b"{", body=True)
    story.ask("GET", "/v2/app/manifests/v1", headers=accept)
    story.ask("HEAD", "/v2/app/manifests/v1", headers=accept)
    story.ask("GET", f"/v2/app/manifests/{digest_of(manifest())}", headers=accept)
    story.ask("GET", "/v2/app/manifests/nothing", headers=accept)
    story.ask("GET", "/v2/app/tags/list")
    story.ask("GET", "/v2/nothing/tags/list")
    story.ask("GET", "/v2/_catalog")
    story.ask("DELETE", f"/v2/app/manifests/{digest_of(manifest())}", body=False)
    story.ask("GET", "/v2/app/manifests/v1", headers=accept)


def sign_in_wrongly(story):
    for path in ("/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/v1"):
        story.ask("GET", path)
    story.ask("POST", "/v2/app/blobs/uploads/")


def assert_alike(theirs, ours):
    different = [(there, here) for there, here in zip(theirs.seen, ours.seen, strict=True) if here != there]
    assert not different, "\n".join(f"{there}\n{here}\n" for there, here in different)


CASES = {
    "plain": (PLAIN, "", None, push_and_pull),
    "signed in": (SIGNED_IN, "", USER, push_and_pull),
    "a stranger": (SIGNED_IN, "", None, push_and_pull),
    "a wrong password": (SIGNED_IN, "", (USER[0], "wrong"), sign_in_wrongly),
    "below a prefix": (NESTED, "/my/nested/registry", None, push_and_pull),
    "beside the prefix": (NESTED, "", None, push_and_pull),
    "read only": (READ_ONLY, "", None, push_and_pull),
}


@pytest.mark.parametrize(("text", "prefix", "auth", "tell"), CASES.values(), ids=CASES)
def test_both_answer_alike_on_one_file(pair, work, text, prefix, auth, tell):
    write_users(work / "users")
    stories = [Story(one, prefix, auth) for one in pair(text)]
    for story in stories:
        tell(story)
    assert_alike(*stories)


def test_both_take_the_same_variables(pair):
    variables = {"REGISTRY_STORAGE_DELETE_ENABLED": "true", "REGISTRY_HTTP_HEADERS": "{X-Frame-Options: [DENY]}"}
    stories = [Story(one) for one in pair(PLAIN, variables)]
    for story in stories:
        push_and_pull(story)
    assert_alike(*stories)
    assert any(method == "DELETE" and status == 202 for method, _, status, _, _ in stories[0].seen)


TOKENS = PLAIN + f"""auth:
  token:
    realm: https://tokens.example.org/token
    service: {SERVICE}
    issuer: {ISSUER}
    rootcertbundle: {{work}}/issuer.pem
"""

GRANTED = {
    "nothing": None,
    "pull and push": [access("app", "pull", "push")],
    "pull": [access("app", "pull")],
    "another repository": [access("other", "pull", "push")],
    "everything": [access("app", "*"), access("catalog", "*", type="registry")],
}


class Bearer(requests.auth.AuthBase):
    def __init__(self, token):
        self.token = token

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@pytest.mark.parametrize("granted", GRANTED.values(), ids=GRANTED)
def test_both_believe_the_same_tokens(pair, work, granted):
    issuer = authority(work, "issuer")
    auth = None if granted is None else Bearer(Key.of(issuer).token(claims(granted)))
    stories = [Story(one, auth=auth) for one in pair(TOKENS)]
    for story in stories:
        push_and_pull(story)
    assert_alike(*stories)


def test_both_ask_for_client_certificates(pair, work):
    ca = authority(work, "ca")
    server, client = certificate(work, "server", ca), certificate(work, "client", ca)
    stranger = certificate(work, "stranger", authority(work, "stranger-ca"))
    text = PLAIN + (
        "  tls:\n    certificate: {work}/server.pem\n    key: {work}/server.key\n"
        "    clientcas: [{work}/ca.pem]\n    minimumtls: tls1.2\n"
    )
    assert server.exists()
    for one in pair(text):
        url = f"https://127.0.0.1:{one.port}/v2/"
        for shown, served in ((client, True), (stranger, False), (None, False)):
            cert = shown and (str(shown), str(shown.with_suffix(".key")))
            if served:
                assert requests.get(url, cert=cert, verify=ca, timeout=10).status_code == 200
            else:
                with pytest.raises(requests.ConnectionError):
                    requests.get(url, cert=cert, verify=ca, timeout=10)


def test_both_bound_the_catalog(pair):
    stories = [Story(one) for one in pair(PLAIN + "catalog: {{maxentries: 2}}\n")]
    for story in stories:
        for name in ("a", "b", "c"):
            for data in (BLOB, CONFIG):
                story.push_blob(data, name)
            path = f"/v2/{name}/manifests/v1"
            story.ask("PUT", path, data=manifest(), headers={"Content-Type": OCI_MANIFEST})
        assert story.ask("GET", "/v2/_catalog?n=2").json()["repositories"] == ["a", "b"]
        assert "Link" in story.ask("GET", "/v2/_catalog?n=2").headers
        story.ask("GET", "/v2/_catalog?n=2&last=b")
    assert_alike(*stories)


def test_both_refuse_urls_that_are_not_allowed(pair):
    """The reference registry answers 500 (findings/distribution_url_refused.sh), which clients try again."""
    text = PLAIN + "validation: {{manifests: {{urls: {{allow: ['^https?://([^/]+\\.)*example\\.com/']}}}}}}\n"
    stories = [Story(one) for one in pair(text)]
    for story in stories:
        for data in (BLOB, CONFIG):
            story.push_blob(data)
        story.put_manifest("good", manifest(urls=["https://a.example.com/x"]))
    assert_alike(*stories)
    for story, status in zip(stories, (500, 400), strict=True):
        story.put_manifest("bad", manifest(urls=["https://a.example.org/x"]))
        assert story.seen[-1][2] == status
        assert story.ask("GET", "/v2/app/manifests/bad").status_code == 404


def test_an_upload_may_be_called_a_form(ours):
    """As curl calls it; the reference registry loses the bytes (findings/distribution_form_upload.sh)."""
    story = Story(ours(PLAIN))
    place = urlpath(story.base, story.ask("POST", "/v2/app/blobs/uploads/").headers["Location"])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    done = story.ask("PUT", f"{place}?digest={digest_of(BLOB)}", data=BLOB, headers=kind)
    assert done.status_code == 201


def test_both_tell_their_health_at_the_debug_address(pair):
    text = PLAIN + "  debug: {{addr: '127.0.0.1:{debug}'}}\n"
    stories = []
    for one in pair(text):
        stories.append(Story(one))
        stories[-1].base = f"http://127.0.0.1:{one.debug}"
        health = stories[-1].ask("GET", "/debug/health")
        assert (health.status_code, health.json()) == (200, {})
        stories[-1].ask("GET", "/debug/nothing")
        stories[-1].ask("GET", "/v2/")
    assert_alike(*stories)


def test_the_debug_address_tells_what_fails(ours):
    registry = ours(PLAIN + "  debug: {{addr: '127.0.0.1:{debug}'}}\n")
    shutil.rmtree(registry.root)
    answer = requests.get(f"http://127.0.0.1:{registry.debug}/debug/health", timeout=10)
    assert answer.status_code == 503
    assert list(answer.json()) == ["storagedriver_filesystem"]


def test_a_unix_socket_is_listened_at(work, registry_binary):
    text = PLAIN.replace("127.0.0.1:{port}", str(work / "r.sock")) + "  net: unix\n"
    registry = Ours(registry_binary, work, text)
    registry.healthy = lambda: (work / "r.sock").exists()
    registry.start()
    command = ["curl", "-s", "--unix-socket", str(work / "r.sock"), "http://registry/v2/"]
    assert subprocess.run(command, capture_output=True, timeout=30).stdout == b"{}"
    registry.stop()


def test_docker_signs_in_pushes_and_pulls(ours, work, docker):
    write_users(work / "users")
    address = ours(SIGNED_IN).address
    name = f"{address}/dev/docker:v1"
    identity = docker.import_tar(tar_layer({"hello": b"hello"}), name)
    try:
        with pytest.raises(ClientFailed):
            docker("push", name)
        signed_in = docker("login", address, "-u", USER[0], "--password-stdin", input=USER[1])
        assert "Login Succeeded" in signed_in
        docker("push", name)
        docker.remove(name)
        docker("pull", name)
        assert docker.image_id(name) == identity
    finally:
        docker("logout", address)
        docker.remove(name)


def test_skopeo_deletes_what_it_pushed(ours, work, containers):
    write_users(work / "users")
    address = ours(SIGNED_IN).address
    name = f"docker://{address}/dev/skopeo:v1"
    write_oci_layout(work / "layout", image(seed="skopeo"))
    credentials = ":".join(USER)
    containers.skopeo("copy", "--dest-creds", credentials, f"oci:{work / 'layout'}:latest", name)
    containers.skopeo("inspect", "--creds", credentials, name)
    containers.skopeo("delete", "--creds", credentials, name)
    with pytest.raises(ClientFailed):
        containers.skopeo("inspect", "--creds", credentials, name)


def test_a_changed_file_is_taken_over_while_it_runs(ours):
    registry = ours(READ_ONLY)
    assert requests.post(registry.url + "/v2/app/blobs/uploads/", timeout=10).status_code == 405
    registry.text = registry.text.replace("readonly: {enabled: true}", "readonly: {enabled: false}")
    registry.write_config()
    registry.signal(signal.SIGHUP)
    until(lambda: requests.post(registry.url + "/v2/app/blobs/uploads/", timeout=10).status_code == 202)


def test_headers_of_cors_open_the_registry_to_that_page(ours):
    headers = "{{Access-Control-Allow-Origin: ['http://127.0.0.1:8000'], Access-Control-Allow-Methods: [HEAD, GET]}}"
    registry = ours(PLAIN + f"  headers: {headers}\n")
    name = "Access-Control-Allow-Origin"
    for origin, allowed in (("http://127.0.0.1:8000", "http://127.0.0.1:8000"), ("http://127.0.0.1:9000", None)):
        answer = requests.get(registry.url + "/v2/", headers={"Origin": origin}, timeout=10)
        assert answer.headers.get(name) == allowed


def test_commands_of_the_page_in_docs_work(work, registry_binary):
    page = (TOP / "docs" / "distribution.md").read_text()
    commands = re.findall(r"^\$ (registry .*)$", page, re.MULTILINE)
    assert commands == [
        "registry serve /etc/docker/registry/config.yml",
        "registry config convert /etc/docker/registry/config.yml > registry.yaml",
    ]
    convert = commands[1].replace("registry", str(registry_binary), 1)
    subprocess.run(convert, shell=True, cwd=work, check=True, timeout=30)
    # Debian's file names a directory as the file of users (findings/docker_registry_debian_default.sh).
    check = subprocess.run(
        [registry_binary, "config", "check", "registry.yaml"], cwd=work, capture_output=True, text=True, timeout=30
    )
    assert "auth.htpasswd.file: '/etc/docker/registry' is a directory, not a file" in check.stderr
    shown = [registry_binary, "config", "print", "registry.yaml"]
    assert b"file: \"/etc/docker/registry\"" in subprocess.run(shown, cwd=work, capture_output=True, timeout=30).stdout


def test_its_variable_names_the_file(work, registry_binary):
    config = work / "config.yml"
    config.write_text(PLAIN.format(root=work / "root", port=free_port()))
    environment = {"REGISTRY_CONFIGURATION_PATH": str(config), "REGISTRY_LOG_LEVEL": "error"}
    result = subprocess.run(
        [registry_binary, "config", "print"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 0, result.stderr
    assert f'root: "{work}/root"' in result.stdout
    assert "level: error" in result.stdout


def test_a_converted_file_serves_the_same(work, registry_binary, ours):
    registry = ours(PLAIN)
    converted = subprocess.run(
        [registry_binary, "config", "convert", registry.config_path], capture_output=True, text=True, timeout=30
    )
    assert converted.returncode == 0, converted.stderr
    assert "version" not in converted.stdout
    registry.text = converted.stdout
    registry.restart()
    assert requests.get(registry.url + "/v2/", timeout=10).status_code == 200


def test_converting_a_file_of_ours_is_refused(work, registry_binary):
    (work / "ours.yaml").write_text("log: {level: info}\n")
    result = subprocess.run(
        [registry_binary, "config", "convert", work / "ours.yaml"], capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 1
    assert "is no file of the reference registry" in result.stderr


# What its documentation shows, in our words and values: what `registry config check` says of it. Without a
# `storage` or an `http` of its own an example gets a small one.
DOCUMENTED = {
    "a root of its own": ("storage: {filesystem: {rootdirectory: /srv/images}}", []),
    "letsencrypt": (
        "http: {addr: ':443', tls: {letsencrypt: {cachefile: /var/cache/le, email: ops@example.org, hosts: [r.example]}}}",
        "error: certificates are not fetched from Let's Encrypt",
    ),
    "log": (
        "log: {accesslog: {disabled: true}, level: debug, formatter: text, fields: {service: images, environment: test}}",
        [],
    ),
    "hooks": (
        "log:\n  hooks:\n  - type: mail\n    levels: [panic]\n    options:\n      smtp: {addr: 'mx.example:25',"
        " username: u, password: p, insecure: true}\n      from: a@example.org\n      to: [b@example.org]",
        ["log.hooks.0.type: no mail is sent"],
    ),
    "loglevel": ("loglevel: debug", []),
    "storage of three kinds": (
        "storage: {filesystem: {rootdirectory: /srv}, azure: {accountname: a}, gcs: {bucket: b}}",
        "error: storage.azure.accountname: content can be kept by",
    ),
    "s3": (
        "storage: {s3: {accesskey: a, secretkey: s, region: eu-west-1, bucket: own, encrypt: true, rootdirectory: /x}}",
        ["storage.s3.bucket: images that the reference registry left in the bucket"],
    ),
    "maintenance": (
        "storage: {inmemory: , maintenance: {uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false},"
        " readonly: {enabled: false}}}",
        [],
    ),
    "delete": ("storage: {inmemory: , delete: {enabled: true}}", []),
    "cache": ("storage: {inmemory: , cache: {blobdescriptor: inmemory, blobdescriptorsize: 10000}}", []),
    "cache in redis": (
        "storage: {inmemory: , cache: {blobdescriptor: redis}}\nredis: {addrs: ['localhost:6379'], password: p, db: 0,"
        " dialtimeout: 10ms, maxidleconns: 16, poolsize: 64, connmaxidletime: 300s, tls: {rootcas: [/ca.pem]}}",
        ["storage.cache.blobdescriptor: each server has a cache of its own"],
    ),
    "redis of 2.8": ("redis: {addr: 'localhost:6379', pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}}", []),
    "tag": ("storage: {inmemory: , tag: {concurrencylimit: 8}}", []),
    "redirect": ("storage: {inmemory: , redirect: {disable: true}}", []),
    "silly": ("auth: {silly: {realm: r, service: s}}", "error: lets everyone in who says anything"),
    "token": (
        "auth: {token: {realm: 'https://auth.example/token', service: s, issuer: i, rootcertbundle: /etc/hosts,"
        " signingalgorithms: [EdDSA, HS256, ES512]}}",
        ["signingalgorithms.0: no token that is signed so", "signingalgorithms.1: no token that is signed so"],
    ),
    "htpasswd": ("auth: {htpasswd: {realm: r, path: /etc/hosts}}", []),
    "two ways to sign in": (
        "auth: {htpasswd: {realm: r, path: /etc/hosts}, token: {realm: r}}",
        "error: more than one way to sign in is given",
    ),
    "middleware": (
        "middleware: {registry: [{name: R, options: {a: b}}], repository: [{name: P, options: {a: b}}]}",
        "error: what it does with requests",
    ),
    "cloudfront": (
        "middleware:\n  storage:\n  - name: cloudfront\n    disabled: false\n    options: {baseurl: 'https://c.example',"
        " privatekey: /k.pem, keypairid: k, duration: 60s, ipfilteredby: awsregion, awsregion: 'a, b'}",
        ["middleware.storage.0.name: blobs are served by the registry itself"],
    ),
    "catalog": ("catalog: {maxentries: 1000}", []),
    "tags": ("tags: {maxtags: 100}", []),
    "http": (
        "http:\n  addr: localhost:5000\n  net: tcp\n  prefix: /my/nested/registry/\n  host: https://r.example:5000\n"
        "  secret: s\n  relativeurls: false\n  draintimeout: 60s\n  tls:\n    certificate: /etc/hosts\n    key: /etc/hosts\n"
        "    clientcas: [/etc/hosts, /etc/hosts]\n    clientauth: require-and-verify-client-cert\n    minimumtls: tls1.2\n"
        "    ciphersuites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
        "  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /metrics}}\n"
        "  headers: {X-Content-Type-Options: [nosniff]}\n  http2: {disabled: false}\n  h2c: {enabled: false}",
        ["prometheus.enabled: there are no metrics yet", "http.http2.disabled: HTTP/2 is not spoken"],
    ),
    "notifications": (
        "notifications:\n  events: {includereferences: true}\n  endpoints:\n  - {name: n, disabled: false,"
        " url: 'https://l.example/e', headers: {A: [b]}, timeout: 1s, threshold: 10, backoff: 1s,"
        " ignoredmediatypes: [a/b], ignore: {mediatypes: [a/b], actions: [pull]}}",
        ["notifications.endpoints.0.ignoredmediatypes.0: events of all media types are sent",
         "notifications.endpoints.0.ignore.mediatypes.0: events of all media types are sent"],
    ),
    "health": (
        "health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}, file: [{file: /f, interval: 10s}],"
        " http: [{uri: 'http://a.example', headers: {A: [b]}, statuscode: 200, timeout: 3s, interval: 10s, threshold: 3}],"
        " tcp: [{addr: 'a.example:6379', timeout: 3s, interval: 10s, threshold: 3}]}",
        ["health.file.0.file", "health.http.0.uri", "health.tcp.0.addr"],
    ),
    "proxy": (
        "proxy: {remoteurl: 'https://hub.example', username: u, password: p, ttl: 168h}",
        "error: a pull-through cache is not built",
    ),
    "validation of URLs": (
        "validation: {manifests: {urls: {allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: ['^https?://www\\.example\\.com/']}}}",
        [],
    ),
    "validation of indexes": (
        "validation: {manifests: {indexes: {platforms: List, platformlist: [{architecture: amd64, os: linux}]}}}",
        ["indexes.platforms: the images of all platforms"],
    ),
    "validation off": ("validation: {disabled: true}", []),
    "reporting of 2.8": (
        "reporting: {bugsnag: {apikey: k}, newrelic: {licensekey: l, name: n, verbose: true}}",
        ["reporting.bugsnag.apikey: nothing is sent"],
    ),
    "development": (
        "log: {level: debug}\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\n"
        "http: {addr: 'localhost:5000', secret: s, debug: {addr: 'localhost:5001'}}",
        [],
    ),
}


@pytest.mark.parametrize(("text", "expected"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_what_its_documentation_shows_is_read(work, registry_binary, text, expected):
    config = work / "config.yml"
    sections = [line.partition(":")[0] for line in text.splitlines()]
    text += "" if "storage" in sections else "\nstorage: {inmemory: }"
    text += "" if "http" in sections else "\nhttp: {addr: 'localhost:5000'}"
    config.write_text("version: 0.1\n" + text + "\n")
    result = subprocess.run([registry_binary, "config", "check", config], capture_output=True, text=True, timeout=30)
    if isinstance(expected, str):
        assert result.returncode == 1
        assert expected.removeprefix("error: ") in result.stderr
        return
    assert result.returncode == 0, result.stderr
    warnings = [line for line in result.stdout.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == len(expected), warnings
    for warning, part in zip(warnings, expected, strict=True):
        assert part in warning


def test_the_file_that_debian_ships_is_served(ours):
    text = DEBIAN.read_text()
    for old, new in ((":5000", "127.0.0.1:{port}"), ("/var/lib/docker-registry", "{root}")):
        assert old in text
        text = text.replace(old, new)
    registry = ours(text)
    refused = requests.get(registry.url + "/v2/", timeout=10)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="basic-realm"'
    assert requests.get(registry.url + "/v2/", auth=USER, timeout=10).status_code == 401
    assert "so nobody can sign in with a password" in registry.log
    assert '"service":"registry"' in registry.log
