/* What is in a tar of a few files, as charts are: names, sizes and the contents of small ones. */

const BLOCK = 512;
export const MAX_ENTRIES = 5000;

export interface Member {
  name: string;
  bytes: Uint8Array;
}

function textAt(bytes: Uint8Array, from: number, n: number): string {
  const part = bytes.subarray(from, from + n);
  const end = part.indexOf(0);
  return new TextDecoder().decode(end < 0 ? part : part.subarray(0, end));
}

/** The name that an extended header of POSIX (pax) gives to what follows. */
function paxPath(body: Uint8Array): string | null {
  const found = /^\d+ path=(.*)$/m.exec(new TextDecoder().decode(body));
  return found?.[1] ?? null;
}

/** Files of a tar; throws when it is cut. */
export function untar(bytes: Uint8Array): Member[] {
  const members: Member[] = [];
  let long: string | null = null;
  for (let at = 0; at + BLOCK <= bytes.length && members.length < MAX_ENTRIES; ) {
    if (bytes[at] === 0) break;
    const size = Number.parseInt(textAt(bytes, at + 124, 12).trim() || "0", 8);
    const type = String.fromCharCode(bytes[at + 156]!);
    if (!Number.isFinite(size) || size < 0 || at + BLOCK + size > bytes.length)
      throw new Error("the archive is damaged or cut");
    const body = bytes.subarray(at + BLOCK, at + BLOCK + size);
    const prefix = textAt(bytes, at + 257, 5) === "ustar" ? textAt(bytes, at + 345, 155) : "";
    const name = textAt(bytes, at, 100);
    if (type === "x") long = paxPath(body);
    else if (type === "L") long = textAt(body, 0, body.length);
    else {
      if (type === "0" || type === "\0")
        members.push({ name: long ?? (prefix ? `${prefix}/${name}` : name), bytes: body });
      long = null;
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return members;
}

/** Unpacks gzip, but no more than `max` bytes. */
export async function gunzip(bytes: Uint8Array, max: number): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  const parts: Uint8Array[] = [];
  let n = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    n += value.length;
    if (n > max) {
      await reader.cancel();
      throw new Error("the archive unpacks to more than is shown here");
    }
    parts.push(value);
  }
  const all = new Uint8Array(n);
  let at = 0;
  for (const one of parts) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}
