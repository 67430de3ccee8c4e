/** Archives as docker writes them, for tests of uploads. */
import { createHash } from "node:crypto";

const BLOCK = 512;
const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A file of a tar archive, as ustar. */
function member(name: string, bytes: Buffer): Buffer {
  const head = Buffer.alloc(BLOCK);
  head.write(name, 0);
  head.write("0000644\x000000000\x000000000\x00", 100);
  head.write(`${bytes.length.toString(8).padStart(11, "0")}\x0000000000000\0`, 124);
  head.write("        0", 148);
  head.write("ustar\x0000", 257);
  const sum = head.reduce((a, b) => a + b, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([head, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

const end = Buffer.alloc(2 * BLOCK);

/** What `docker save NAME` writes, with one layer that has one file of these bytes. */
export function dockerArchive(name: string, content: Buffer): Buffer {
  const layer = Buffer.concat([member("file", content), end]);
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [`sha256:${hash(layer)}`] }, history: [{ created_by: "test" }] }),
  );
  const manifest = Buffer.from(JSON.stringify([{ Config: `${hash(config)}.json`, RepoTags: [name], Layers: ["layer.tar"] }]));
  return Buffer.concat([member(`${hash(config)}.json`, config), member("layer.tar", layer), member("manifest.json", manifest), end]);
}
