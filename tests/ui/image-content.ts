/** Images, charts, models and what stands beside them, for the tests of the image's page. */
import { createHash, createSign, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Registry } from "./registry.ts";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const TAR = "application/vnd.oci.image.layer.v1.tar";
const BLOCK = 512;
const PAGE = 4096;

export const hostile = `<img src=x onerror="document.title='owned'">"'\u202Egnp.exe\u202C${"A".repeat(10_000)}`;

export const digestOf = (bytes: Buffer | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A tar (ustar) of files; a text that begins with "->" is a symbolic link. */
export function tar(files: Record<string, string | Buffer>, names: BufferEncoding = "utf8"): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, contents] of Object.entries(files)) {
    const link = typeof contents === "string" && contents.startsWith("->") ? contents.slice(2) : "";
    const body = link ? Buffer.alloc(0) : Buffer.from(contents);
    const head = Buffer.alloc(BLOCK);
    head.write(name, 0, names);
    head.write("0000644\0", 100);
    head.write("0000000\0", 108);
    head.write("0000000\0", 116);
    head.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
    head.write("14765432100\0", 136);
    head.write("        ", 148);
    head.write(link ? "2" : "0", 156);
    head.write(link, 157);
    head.write("ustar\x0000", 257);
    let sum = 0;
    for (const byte of head) sum += byte;
    head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(head, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

async function put(registry: Registry, repository: string, tag: string, type: string, manifest: object): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...manifest }));
  const digest = digestOf(bytes);
  await registry.send("PUT", `/v2/${repository}/manifests/${tag || digest}`, bytes, { "Content-Type": type });
  return { digest, size: bytes.length };
}

export interface Made {
  layers: Buffer[];
  config?: object;
  history?: object[];
  annotations?: Record<string, string>;
  architecture?: string;
}

/** An image that could run. Without a tag it is pushed by its digest. */
export async function image(registry: Registry, repository: string, tag: string, made: Made) {
  const { layers, config = {}, history, annotations, architecture = "amd64" } = made;
  const about = { architecture, os: "linux", created: "2026-11-01T10:00:00Z", config, rootfs: { type: "layers", diff_ids: layers.map(digestOf) }, history };
  const described = { mediaType: CONFIG, ...(await registry.blob(repository, Buffer.from(JSON.stringify(about)))) };
  const blobs = await Promise.all(layers.map(async (one) => ({ mediaType: TAR, ...(await registry.blob(repository, one)) })));
  return put(registry, repository, tag, IMAGE, { config: described, layers: blobs, annotations });
}

export async function index(registry: Registry, repository: string, tag: string, images: { digest: string; size: number; architecture: string }[]) {
  const manifests = images.map(({ architecture, ...one }) => ({ mediaType: IMAGE, ...one, platform: { os: "linux", architecture } }));
  return put(registry, repository, tag, INDEX, { manifests });
}

export interface Layer {
  type: string;
  bytes: Buffer | string;
  annotations?: Record<string, string>;
}

export interface Artifact {
  artifactType?: string;
  config?: { type: string; json: object };
  layers: Layer[];
  subject?: { digest: string; size: number };
  annotations?: Record<string, string>;
}

export async function artifact(registry: Registry, repository: string, tag: string, made: Artifact) {
  const config = made.config ?? { type: "application/vnd.oci.empty.v1+json", json: {} };
  return put(registry, repository, tag, IMAGE, {
    artifactType: made.artifactType,
    config: { mediaType: config.type, ...(await registry.blob(repository, Buffer.from(JSON.stringify(config.json)))) },
    layers: await Promise.all(
      made.layers.map(async (one) => ({ mediaType: one.type, ...(await registry.blob(repository, Buffer.from(one.bytes))), annotations: one.annotations })),
    ),
    subject: made.subject && { mediaType: IMAGE, ...made.subject },
    annotations: made.annotations,
  });
}

export function chart(files: Record<string, string>): Buffer {
  return gzipSync(tar(files));
}

/** A module that imports one function and exports another. */
export function wasm(): Buffer {
  const text = (s: string) => [s.length, ...Buffer.from(s)];
  const section = (id: number, body: number[]) => [id, body.length, ...body];
  const parts = [
    ...section(1, [1, 0x60, 0, 0]),
    ...section(2, [1, ...text("wasi_snapshot_preview1"), ...text("proc_exit"), 0, 0]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text("_start"), 0, 1]),
    ...section(10, [1, 2, 0, 0x0b]),
  ];
  return Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...parts]);
}

/** A database of bbolt with nothing in it. */
function emptyBolt(): Buffer {
  const page = (number: number, flags: number, body = Buffer.alloc(0)) => {
    const all = Buffer.alloc(PAGE);
    all.writeBigUInt64LE(BigInt(number), 0);
    all.writeUInt16LE(flags, 8);
    body.copy(all, 16);
    return all;
  };
  const meta = (number: number) => {
    const body = Buffer.alloc(64);
    [0xed0cdaed, 2, PAGE, 0].forEach((value, i) => {
      body.writeUInt32LE(value, 4 * i);
    });
    [3, 0, 2, 4, number].forEach((value, i) => {
      body.writeBigUInt64LE(BigInt(value), 16 + 8 * i);
    });
    let state = 0xcbf29ce484222325n;
    for (const byte of body.subarray(0, 56)) state = BigInt.asUintN(64, (state ^ BigInt(byte)) * 0x100000001b3n);
    body.writeBigUInt64LE(state, 56);
    return page(number, 4, body);
  };
  return Buffer.concat([meta(0), meta(1), page(2, 0x10), page(3, 2)]);
}

/** A stand-in for Trivy, which finds in an image what its planted.json says; `scan` is the configuration. */
export class Scanner {
  readonly work = mkdtempSync(join(tmpdir(), "cyberdock-ui-scan-"));
  readonly scan: object;

  constructor() {
    const program = join(this.work, "trivy");
    const cache = join(this.work, "data");
    const taken = join(cache, "generations/1-00000000");
    symlinkSync(fileURLToPath(new URL("../e2e/fake_trivy.py", import.meta.url)), program);
    mkdirSync(join(taken, "db"), { recursive: true });
    writeFileSync(join(taken, "db/trivy.db"), emptyBolt());
    const updated = "2026-11-01T00:00:00Z";
    writeFileSync(join(taken, "db/metadata.json"), JSON.stringify({ Version: 2, UpdatedAt: updated, NextUpdate: updated }));
    symlinkSync("generations/1-00000000", join(cache, "current"));
    const trivy = { path: program, cache_dir: cache, file_size: "8MiB", memory_size: "256MiB" };
    this.scan = { on_push: true, trivy, data: { max_age: 0 } };
  }

  stop() {
    rmSync(this.work, { recursive: true, force: true });
  }
}

/** As the API has it, when it is there. */
export async function scanned(registry: Registry, repository: string, reference: string) {
  const until = Date.now() + 20_000;
  while (Date.now() < until) {
    const found = (await (await registry.send("GET", `/v2/${repository}/manifests/${reference}/scan`)).json()) as { status: string };
    if (found.status === "completed") return;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`${repository}:${reference} was not scanned in time`);
}

/** A pair of keys whose public half is in `file`; signs as cosign 2 does, by a tag. */
export class Signer {
  private readonly work = mkdtempSync(join(tmpdir(), "cyberdock-ui-sign-"));
  private readonly keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly file = join(this.work, "release.pub");

  constructor() {
    writeFileSync(this.file, this.keys.publicKey.export({ type: "spki", format: "pem" }));
  }

  stop() {
    rmSync(this.work, { recursive: true, force: true });
  }

  async sign(registry: Registry, repository: string, digest: string) {
    const payload = JSON.stringify({
      critical: { identity: { "docker-reference": "" }, image: { "docker-manifest-digest": digest }, type: "cosign container image signature" },
      optional: null,
    });
    const signature = createSign("sha256").update(payload).sign(this.keys.privateKey, "base64");
    await artifact(registry, repository, `${digest.replace(":", "-")}.sig`, {
      config: { type: CONFIG, json: {} },
      layers: [{ type: "application/vnd.dev.cosign.simplesigning.v1+json", bytes: payload, annotations: { "dev.cosignproject.cosign/signature": signature } }],
    });
  }
}
