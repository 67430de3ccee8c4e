"""buildah: an image is built from nothing, pushed, and pulled again."""

import json
import shutil


def test_build_from_scratch_and_push(registry, client, containers, work):
    context = work / "context"
    context.mkdir()
    shutil.copy("/bin/busybox", context / "busybox")
    (context / "Containerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nCMD ["/bin/busybox", "echo", "hello"]\n'
    )
    containers.buildah("bud", "-t", "built", context)
    name = f"{registry.address}/buildah/built"
    containers.buildah("push", "built", f"docker://{name}")

    document = client.pull_image("buildah/built", "latest").document
    config = client.get_blob("buildah/built", document["config"]["digest"]).json()
    assert config["config"]["Cmd"] == ["/bin/busybox", "echo", "hello"]

    containers.buildah("rmi", "--all", "--force")
    containers.buildah("pull", name)
    images = json.loads(containers.buildah("images", "--json"))
    assert [i["names"] for i in images] == [[f"{name}:latest"]]
