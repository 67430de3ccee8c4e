"""Signing in with a role of AWS: tokens by botocore, a token service that checks the signature."""

import base64
import itertools
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import botocore.session
import pytest
import requests
import yaml
from certificates import authority, certificate
from helpers import Client, image, tar_layer
from server import TOP
from sts import Credentials, Sts, role_session
from waiting import until

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
AUDIENCE = "registry.example.org"
PREFIX = "cyberdock-aws-v1."

CI = role_session(ACCOUNT, "ci-build")
DEPLOY = role_session(ACCOUNT, "deploy")
STRANGER = role_session(ACCOUNT, "stranger")
ELSEWHERE = role_session(OTHER_ACCOUNT, "ci-build")
EVE = Credentials("eve", f"arn:aws:iam::{ACCOUNT}:user/team/eve")

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": CI.access_key, "AWS_SECRET_ACCESS_KEY": CI.secret,
               "AWS_SESSION_TOKEN": CI.session_token}

ROLES = [
    {"arn": f"arn:aws:iam::{ACCOUNT}:role/ci-*", "groups": ["ci"]},
    {"arn": f"arn:aws:iam::{ACCOUNT}:role/deploy", "user": "deploy", "groups": ["ci", "release"]},
    {"arn": f"arn:aws:iam::{ACCOUNT}:user/**"},
    {"arn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/ci-build", "groups": ["ci"]},
]
POLICY = [
    {"subjects": ["group:ci"], "actions": ["pull", "push"], "repositories": ["dev/**"]},
    {"subjects": ["group:release"], "actions": ["pull", "push"], "repositories": ["prod/**"]},
]


@pytest.fixture
def sts():
    with Sts(CI, DEPLOY, STRANGER, ELSEWHERE, EVE) as service:
        yield service


@pytest.fixture
def make(new_registry):
    def start(sts, **aws):
        section = {"audience": AUDIENCE, "accounts": [ACCOUNT], "sts_endpoints": [sts.url],
                   "roles": ROLES, **aws}
        config = {"auth": {"aws": section, "lock_after": 1000}, "policy": POLICY}
        return new_registry(config=config).start()

    return start


@pytest.fixture
def guarded(make, sts):
    return make(sts)


numbers = itertools.count()


def presigned(who, endpoint, audience=AUDIENCE, secret=None, expires=900):
    """The URL that a real client makes of it."""
    session = botocore.session.Session()
    session.set_credentials(who.access_key, secret or who.secret, who.session_token)
    client = session.create_client("sts", region_name="us-east-1", endpoint_url=endpoint)
    if audience:
        client.meta.events.register(
            "before-sign.sts.GetCallerIdentity",
            lambda request, **_: request.headers.add_header("x-registry-id", audience))
    return client.generate_presigned_url("get_caller_identity", ExpiresIn=expires,
                                         HttpMethod="GET")


def wrapped(url):
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def token(who, sts, **more):
    return wrapped(presigned(who, sts.url, **more))


def get(registry, secret, user="AWS"):
    return requests.get(registry.url + "/v2/", auth=(user, secret), timeout=60)


def refusal(registry, secret):
    """Why it is 401. Each time it is another user, whose first mistake costs no waiting."""
    answer = get(registry, secret, user=f"AWS-{next(numbers)}")
    assert answer.status_code == 401, answer.text
    return answer.json()["errors"][0]["message"]


def test_a_role_signs_in_and_is_in_its_groups(guarded, sts):
    with Client(guarded.url, auth=("AWS", token(CI, sts))) as client:
        client.push_image("dev/app", image(), "v1")
        client.pull_image("dev/app", "v1")
        client.request("POST", "/v2/prod/app/blobs/uploads/", expect=403)
    with Client(guarded.url, auth=("AWS", token(DEPLOY, sts))) as client:
        client.pull_image("dev/app", "v1")
        client.push_image("prod/app", image(), "v1")


def test_the_token_is_a_bearer_too(guarded, sts):
    answer = requests.get(guarded.url + "/v2/", timeout=60,
                          headers={"Authorization": f"Bearer {token(CI, sts)}"})
    assert answer.status_code == 200


def test_a_user_of_the_account_signs_in_with_long_lived_keys(guarded, sts):
    assert get(guarded, token(EVE, sts)).status_code == 200


def test_the_log_names_the_role_or_its_name_here_and_never_the_token(guarded, sts):
    for who in (CI, DEPLOY):
        assert get(guarded, token(who, sts)).status_code == 200
    get(guarded, token(CI, sts, secret="wrong"))
    until(lambda: "user:deploy" in guarded.log)
    until(lambda: f"user:arn:aws:iam::{ACCOUNT}:role/ci-build" in guarded.log)
    until(lambda: '"status":401' in guarded.log)
    for secret in (PREFIX, "X-Amz-Signature", CI.session_token[:40], quote(CI.session_token[:19])):
        assert secret not in guarded.log


@pytest.mark.parametrize("who", [STRANGER, ELSEWHERE], ids=["other role", "other account"])
def test_whom_the_configuration_does_not_name_stays_outside(guarded, sts, who):
    assert "may not sign in here" in refusal(guarded, token(who, sts))


def test_without_roles_everyone_of_the_accounts_signs_in(make, sts):
    registry = make(sts, roles=[])
    assert get(registry, token(STRANGER, sts)).status_code == 200
    assert get(registry, token(ELSEWHERE, sts)).status_code == 401


def test_a_wrong_secret_is_refused(guarded, sts):
    assert "AWS does not know" in refusal(guarded, token(CI, sts, secret="wrong"))


def test_a_signature_does_not_fit_another_request(guarded, sts):
    url = presigned(CI, sts.url)
    later = re.sub(r"(X-Amz-Expires=)900", r"\g<1>899", url)
    assert later != url
    assert "AWS does not know" in refusal(guarded, wrapped(later))


@pytest.mark.parametrize("audience", ["other.example.org", None])
def test_a_token_for_another_registry_is_refused(guarded, sts, audience):
    asked = len(sts.asked)
    why = refusal(guarded, token(CI, sts, audience=audience))
    if audience:
        assert "another registry" in why
    else:  # nothing was signed that names a registry: AWS need not be asked
        assert "SignedHeaders" in why and len(sts.asked) == asked


def test_a_token_of_another_cluster_is_refused(guarded, sts):
    url = presigned(CI, sts.url).replace("x-registry-id", "x-k8s-aws-id")
    assert "SignedHeaders" in refusal(guarded, wrapped(url))


def test_an_expired_token_is_refused_even_when_it_was_good_before(guarded, sts):
    secret = token(CI, sts, expires=5)  # a busy machine may take two for the first look
    assert get(guarded, secret).status_code == 200
    until(lambda: get(guarded, secret).status_code == 401)
    assert "expired" in refusal(guarded, secret)


def test_a_token_of_the_registry_ends_with_the_one_it_was_made_for(guarded, sts):
    answer = requests.get(guarded.url + "/auth/token", auth=("AWS", token(CI, sts, expires=6)),
                          params={"scope": "repository:dev/app:pull", "offline_token": "true"},
                          timeout=60).json()
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    until(lambda: requests.post(guarded.url + "/auth/token", data=form, timeout=60)
          .status_code == 401)
    assert requests.get(guarded.url + "/v2/", timeout=60, headers={
        "Authorization": f"Bearer {answer['token']}"}).status_code == 401


def test_no_other_server_is_asked_whatever_the_token_says(guarded, sts):
    """The class of CVE-2026-33540: nobody chooses where the registry sends a request."""
    query = urlsplit(presigned(CI, sts.url)).query
    own = sts.url.removeprefix("http://")
    with Sts(CI) as attacker:
        other = attacker.url.removeprefix("http://")
        for base in (f"http://{other}/", f"http://{own}@{other}/", f"http://{other}/{own}/",
                     f"http://{own}\\@{other}/", f"http://{other}#{own}/", f"//{other}/",
                     f"http://{own}.{other}/", f"https://{own}/", f"http://{own}/..//{other}/"):
            assert "auth.aws.sts_endpoints" in refusal(guarded, wrapped(f"{base}?{query}"))
        assert attacker.asked == []
    assert sts.asked == []


def test_no_other_request_is_sent(guarded, sts):
    url = presigned(CI, sts.url)
    pairs = parse_qsl(urlsplit(url).query)
    for missing, _ in pairs:
        if missing != "X-Amz-Security-Token":
            rest = urlencode([p for p in pairs if p[0] != missing])
            assert f"lacks {missing}" in refusal(guarded, wrapped(f"{sts.url}/?{rest}"))
    for other in (f"{url}&RoleArn=x", f"{url}&Action=GetCallerIdentity", f"{url}#x", f"{url}&",
                  url.replace("GetCallerIdentity", "AssumeRole"), url.replace("2011-06", "2012-06"),
                  url.replace("/?", "/x/?"), url.replace("HMAC", "NONE"), url + "%0d%0aX-A:%20b"):
        assert "AWS does not know" not in refusal(guarded, wrapped(other))
    assert sts.asked == []


def test_what_goes_to_aws_is_the_signed_request_and_no_more(guarded, sts):
    assert get(guarded, token(CI, sts)).status_code == 200
    (path, headers), = sts.asked
    assert urlsplit(path).path == "/"
    names = {"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
             "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token"}
    assert dict(parse_qsl(urlsplit(path).query)).keys() == names
    assert headers["x-registry-id"] == AUDIENCE
    assert set(headers) <= {"Host", "User-Agent", "Accept", "x-registry-id"}


def test_what_is_no_token_is_refused(guarded):
    for secret in (PREFIX, PREFIX + "!", PREFIX + "AAAA", PREFIX + "A" * 6000, "k8s-aws-v1.AAAA",
                   wrapped("http://[::1"), wrapped("\0")):
        assert get(guarded, secret).status_code == 401


def test_aws_is_asked_once_and_not_at_every_request(guarded, sts):
    secret = token(CI, sts)
    for _ in range(5):
        assert get(guarded, secret).status_code == 200
    assert len(sts.asked) == 1


def answer_with(status, document, **headers):
    return lambda handler: Sts.send(handler, status, document, **headers)


IDENTITY = {"Account": ACCOUNT, "Arn": CI.arn, "UserId": "x"}
GOOD = {"GetCallerIdentityResponse": {"GetCallerIdentityResult": IDENTITY}}
BAD_ANSWERS = {
    "failing": answer_with(500, GOOD),
    "busy": answer_with(429, GOOD),
    "huge": answer_with(200, {**GOOD, "Padding": "x" * 1_000_000}),
    "empty": answer_with(200, {}),
    "of nobody": answer_with(200, {"GetCallerIdentityResponse": {
        "GetCallerIdentityResult": {**IDENTITY, "Arn": ""}}}),
    "of another account": answer_with(200, {"GetCallerIdentityResponse": {
        "GetCallerIdentityResult": {**IDENTITY, "Account": OTHER_ACCOUNT}}}),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_says_nothing_is_503(guarded, sts, answer):
    sts.answer = answer
    assert get(guarded, token(CI, sts)).status_code == 503
    sts.answer = None
    assert get(guarded, token(CI, sts)).status_code == 200


def test_a_redirect_is_not_followed(guarded, sts):
    with Sts(CI) as attacker:
        sts.answer = answer_with(302, {}, Location=attacker.url + "/")
        assert get(guarded, token(CI, sts)).status_code == 503
        assert attacker.asked == []


def test_a_service_that_is_away_is_503(make):
    with Sts(CI) as sts:
        registry = make(sts)
        secret = token(CI, sts)
    assert get(registry, secret).status_code == 503


def test_a_service_that_does_not_answer_is_503_and_holds_nobody_up(make, sts):
    """However many wait for it, a registry with few workers goes on serving others."""
    registry = make(sts, timeout="2s")
    done = threading.Event()
    sts.answer = lambda handler: done.wait(60) and sts.ordinary(handler)
    secrets = [token(CI, sts, expires=800 + n) for n in range(24)]
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(get, registry, secret) for secret in secrets]
        until(lambda: len(sts.asked) >= 16)
        assert requests.get(registry.url + "/healthz", timeout=60).status_code == 200
        assert {w.result().status_code for w in waiting} == {503}
    assert len(sts.asked) <= 16
    done.set()


def test_the_service_is_known_by_its_certificate(make, work):
    good, bad = authority(work, "good"), authority(work, "bad")
    with Sts(CI, certificate=certificate(work, "sts", good)) as sts:
        assert get(make(sts, ca_file=str(good)), token(CI, sts)).status_code == 200
        assert get(make(sts, ca_file=str(bad)), token(CI, sts)).status_code == 503


def test_the_command_of_the_page_in_docs_logs_docker_in(guarded, sts, docker, work):
    (work / "registry").symlink_to(guarded.binary)
    line = example("sh").replace("login registry.example.org", f"login {guarded.address}")
    done = subprocess.run(["bash", "-c", line], text=True, capture_output=True, check=False,
                          timeout=60, env={**ENVIRONMENT, "AWS_ENDPOINT_URL_STS": sts.url,
                                           "HOME": str(work), "DOCKER_HOST": docker.socket,
                                           "PATH": f"{work}:{os.environ['PATH']}"})
    assert "Login Succeeded" in done.stdout, done.stderr


def example(language):
    return re.search(rf"```{language}\n(.*?)```", (TOP / "docs/aws.md").read_text(), re.S)[1]


def test_the_token_of_the_page_in_docs_logs_docker_in(new_registry, sts, docker, work):
    config = yaml.safe_load(example("yaml"))
    config["auth"]["aws"]["sts_endpoints"] = [sts.url]
    registry = new_registry(config=config).start()
    script = work / "aws-token.py"
    script.write_text(example("python"))
    environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL_STS": sts.url, "HOME": str(work)}
    secret = subprocess.run([sys.executable, script, AUDIENCE], env=environment, text=True,
                            capture_output=True, check=True, timeout=60).stdout.strip()
    name = f"{registry.address}/dev/hello"
    docker.import_tar(tar_layer({"hello": b"x" * 1000}), name)
    try:
        docker("login", registry.address, "-u", "AWS", "-p", secret)
        docker("push", name)
        docker.remove(name)
        docker("pull", name)
    finally:
        docker.remove(name)
        docker("logout", registry.address)


def command(registry, *flags, **environment):
    return subprocess.run([registry.binary, "token", "aws", *flags], env=environment, text=True,
                          capture_output=True, check=False, timeout=60)


def test_the_registrys_own_command_makes_a_token(guarded, sts):
    done = command(guarded, "--audience", AUDIENCE, "--endpoint", sts.url, **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert get(guarded, done.stdout.strip()).status_code == 200
    done = command(guarded, "--audience", "other", AWS_ENDPOINT_URL_STS=sts.url, **ENVIRONMENT)
    assert "another registry" in refusal(guarded, done.stdout.strip())


def test_the_command_signs_for_the_region(guarded):
    def url(*flags, **environment):
        done = command(guarded, "--audience", AUDIENCE, *flags, **ENVIRONMENT, **environment)
        text = done.stdout.strip().removeprefix(PREFIX)
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()

    assert url().startswith("https://sts.amazonaws.com/?")
    for made in (url("--region", "eu-west-1"), url(AWS_REGION="eu-west-1")):
        assert made.startswith("https://sts.eu-west-1.amazonaws.com/?")
        assert "%2Feu-west-1%2Fsts%2Faws4_request" in made


def test_the_command_tells_what_is_missing(guarded):
    assert command(guarded, **ENVIRONMENT).returncode == 2
    assert "--audience" in command(guarded, **ENVIRONMENT).stderr
    done = command(guarded, "--audience", AUDIENCE)
    assert done.returncode == 1 and "AWS_ACCESS_KEY_ID" in done.stderr
