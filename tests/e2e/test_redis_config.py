"""How a registry reaches a Redis, as `registry config check --online` tells."""

import socket
import subprocess

import pytest
import yaml
from certificates import authority
from processes import free_port
from redis_servers import RIGHTS, SERVERS, Redis, RedisTls
from server import TOP
from waiting import until

FAILED = 1


@pytest.fixture
def check(registry_binary, work):
    """Checks a section storage.cache; a refusal comes with its text."""

    def run(section):
        path = work / "registry.yaml"
        path.write_text(yaml.safe_dump({"storage": {"backend": "mem", "cache": section}}))
        return subprocess.run(
            [registry_binary, "config", "check", "--online", path], capture_output=True, text=True, timeout=60
        )

    return run


@pytest.fixture(params=SERVERS)
def server(request, work):
    with SERVERS[request.param](work / request.param) as made:
        yield made


@pytest.fixture
def redis(work):
    with Redis(work / "redis") as made:
        yield made


def assert_refused(done, *words):
    assert done.returncode == FAILED, done.stdout
    for word in words:
        assert word in done.stdout


@pytest.mark.sanitize
def test_a_server_is_reached_and_used(check, server):
    done = check(server.section())
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.startswith("redis:")] == [
        ["redis:", "connection", "ok"],
        ["redis:", "keys", "ok"],
        ["redis:", "channels", "ok"],
    ]


@pytest.mark.sanitize
def test_a_password_of_a_file_signs_in(check, redis, work):
    (work / "password").write_text(redis.password + "\n")
    url = f"redis://registry@127.0.0.1:{redis.port}/2"
    done = check({"type": "redis", "redis_url": url, "redis_password_file": str(work / "password")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_password_is_told_and_not_shown(check, redis):
    done = check(redis.section(redis_url=redis.url(password="hush-hush")))
    assert_refused(done, "WRONGPASS")
    assert "hush" not in done.stdout + done.stderr


def test_a_user_who_may_not_publish_is_told_what_to_do(check, redis):
    redis.cli("ACL", "SETUSER", "registry", "-publish")
    assert_refused(check(redis.section()), "redis: keys                     ok", "NOPERM", "docs/redis.md")


def test_a_prefix_that_the_user_may_not_use_is_refused(check, redis):
    assert_refused(check(redis.section(redis_prefix="other:")), "redis: keys                     refused", "NOPERM")


def test_a_certificate_of_another_authority_is_refused(check, work):
    with RedisTls(work / "redis") as server:
        done = check(server.section(redis_ca_file=str(authority(work, "other"))))
        assert_refused(done, "its certificate:")


def test_a_certificate_of_another_host_is_refused(check, work):
    with RedisTls(work / "redis") as server:
        url = server.url().replace("127.0.0.1", "127.0.0.2")
        server.cli("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
        assert_refused(check(server.section(redis_url=url)), "its certificate: IP address mismatch")


@pytest.mark.parametrize("schemes", [("redis://", "rediss://"), ("rediss://", "redis://")])
def test_a_port_that_speaks_otherwise_is_refused_in_time(check, work, schemes):
    kind = RedisTls if schemes[0] == "rediss://" else Redis
    with kind(work / "redis") as server:
        assert_refused(check(server.section(redis_url=server.url().replace(*schemes))), "redis: connection")


def test_a_port_that_says_nothing_is_refused_in_time(check):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert_refused(check({"type": "redis", "redis_url": url}), "no answer in time")


def test_a_cluster_is_refused_by_its_name(check, work):
    with Redis(work / "redis", settings={"cluster-enabled": "yes", "cluster-port": free_port()}) as server:
        assert_refused(check(server.section()), "it belongs to a Redis Cluster, which is not supported")


def test_a_sentinel_is_no_server(check, work):
    with SERVERS["redis-sentinel"](work / "sentinel") as sentinel:
        url = f"redis://:{sentinel.own_password}@127.0.0.1:{sentinel.port}"
        assert_refused(check({"type": "redis", "redis_url": url}), "redis+sentinel://")


def test_sentinels_lead_to_the_one_that_took_over(check, work):
    with SERVERS["redis-sentinel"](work / "sentinel") as sentinel:
        before = sentinel.master.port
        sentinel.master.kill()
        until(lambda: str(before) not in sentinel.cli("SENTINEL", "get-master-addr-by-name", "registry-redis"))
        until(lambda: check(sentinel.section()).returncode == 0)


def test_of_several_sentinels_one_is_enough(check, work):
    with SERVERS["redis-sentinel"](work / "sentinel") as sentinel, socket.create_server(("127.0.0.1", 0)) as silent:
        url = sentinel.section()["redis_url"].replace("@", f"@127.0.0.1:1,127.0.0.1:{silent.getsockname()[1]},")
        done = check(sentinel.section(redis_url=url))
        assert done.returncode == 0, done.stdout


def test_a_name_that_sentinels_do_not_know_is_told(check, work):
    with SERVERS["redis-sentinel"](work / "sentinel") as sentinel:
        url = sentinel.section()["redis_url"].replace("/registry-redis", "/other")
        assert_refused(check(sentinel.section(redis_url=url)), "knows no server of the name 'other'")


def test_the_rights_of_the_document_are_those_of_the_tests():
    line = next(x for x in (TOP / "docs" / "redis.md").read_text().splitlines() if x.startswith("ACL SETUSER"))
    assert line == f"ACL SETUSER registry on >PASSWORD {RIGHTS}"
