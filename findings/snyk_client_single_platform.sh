#!/usr/bin/env bash
# @snyk/docker-registry-v2-client 4.0.5 (npm): asked for linux/arm64 of an index that has one image only,
# linux/amd64, getManifest() answers the amd64 image, without an error or a word. With two images in the
# index it refuses a platform that is not there. Attestation manifests (unknown/unknown) do not count, so an
# image that docker buildx pushed for one platform is such an index. What a registry counts as a pull of a
# platform is therefore the digest that was asked for, never what somebody wanted.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

npm install --silent --no-audit --no-fund @snyk/docker-registry-v2-client@4.0.5 >/dev/null
npm ls --depth=0 2>/dev/null | grep -o '@snyk/.*'

cat >platform.js <<'JS'
const http = require("http");
const { createHash } = require("crypto");
const { getManifest } = require("@snyk/docker-registry-v2-client");

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const content = new Map();

function add(mediaType, value, tag) {
    const body = JSON.stringify({ schemaVersion: 2, mediaType, ...value });
    const digest = "sha256:" + createHash("sha256").update(body).digest("hex");
    content.set(digest, { mediaType, body, digest });
    if (tag) content.set(tag, content.get(digest));
    return { mediaType, digest, size: body.length };
}

function image(architecture) {
    const empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: empty, size: 2 };
    const descriptor = add(MANIFEST, { config, layers: [], annotations: { architecture } });
    return { ...descriptor, platform: { os: "linux", architecture } };
}

const attestation = { ...image("none"), platform: { os: "unknown", architecture: "unknown" } };
add(INDEX, { manifests: [image("amd64"), attestation] }, "one");
add(INDEX, { manifests: [image("amd64"), image("s390x"), attestation] }, "two");

const server = http.createServer((request, response) => {
    const found = content.get(request.url.split("/").pop());
    if (!found) return response.writeHead(404).end();
    response.writeHead(200, {
        "Content-Type": found.mediaType,
        "Docker-Content-Digest": found.digest,
    });
    response.end(found.body);
});

server.listen(0, "127.0.0.1", async () => {
    const options = { protocol: "http", acceptManifest: `${MANIFEST}, ${INDEX}` };
    const seen = {};
    for (const tag of ["one", "two"])
        seen[tag] = await getManifest(`127.0.0.1:${server.address().port}`, "app", tag, undefined,
            undefined, options, { os: "linux", architecture: "arm64" })
            .then((m) => m.annotations.architecture, () => "refused");
    console.log("arm64 of an index with one image:", seen.one);
    console.log("arm64 of an index with two images:", seen.two);
    process.exit(seen.one === "amd64" && seen.two === "refused" ? 0 : 1);
});
JS
node platform.js
