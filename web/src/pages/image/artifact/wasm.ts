/* What a module of WebAssembly says of itself, without running it. */

export interface Wasm {
  component: boolean; // the component model; else a module of the core
  version: number;
  sections: { name: string; size: number }[];
  imports: string[]; // "module.name"
  exports: string[];
}

const MAX_NAMES = 200;
const names = [
  "custom",
  "type",
  "import",
  "function",
  "table",
  "memory",
  "global",
  "export",
  "start",
  "element",
  "code",
  "data",
  "data count",
  "tag",
];
const componentNames = [
  "custom",
  "core module",
  "core instance",
  "core type",
  "component",
  "instance",
  "alias",
  "type",
  "canonical",
  "start",
  "import",
  "export",
  "value",
];

class Reader {
  at: number;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }
  byte(): number {
    const b = this.bytes[this.at++];
    if (b === undefined) throw new Error("the module is cut");
    return b;
  }
  /** LEB128, unsigned, of 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const b = this.byte();
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return value;
    }
    throw new Error("the module is damaged");
  }
  text(): string {
    const n = this.u32();
    if (this.at + n > this.bytes.length) throw new Error("the module is cut");
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, this.at + n));
    this.at += n;
    return text;
  }
}

/** Past the description of an import. */
function skipImport(r: Reader) {
  const kind = r.byte();
  const limits = () => {
    const flags = r.byte();
    r.u32();
    if (flags & 1) r.u32();
  };
  if (kind === 0) r.u32();
  else if (kind === 1) {
    r.byte();
    limits();
  } else if (kind === 2) limits();
  else if (kind === 3) {
    r.byte();
    r.byte();
  } else if (kind === 4) {
    r.byte();
    r.u32();
  } else throw new Error("an import of a kind that is not known here");
}

function importsOf(bytes: Uint8Array): string[] {
  const r = new Reader(bytes);
  const found: string[] = [];
  for (let n = r.u32(); n > 0 && found.length < MAX_NAMES; n--) {
    const module = r.text();
    found.push(`${module}.${r.text()}`);
    skipImport(r);
  }
  return found;
}

function exportsOf(bytes: Uint8Array): string[] {
  const r = new Reader(bytes);
  const found: string[] = [];
  for (let n = r.u32(); n > 0 && found.length < MAX_NAMES; n--) {
    found.push(r.text());
    r.byte();
    r.u32();
  }
  return found;
}

export function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** Throws when it is damaged. */
export function readWasm(bytes: Uint8Array): Wasm {
  if (!isWasm(bytes) || bytes.length < 8) throw new Error("this is no module of WebAssembly");
  const component = bytes[6] === 1;
  const wasm: Wasm = { component, version: bytes[4]!, sections: [], imports: [], exports: [] };
  const known = component ? componentNames : names;
  const r = new Reader(bytes, 8);
  while (r.at < bytes.length) {
    const id = r.byte();
    const size = r.u32();
    const body = bytes.subarray(r.at, r.at + size);
    if (body.length < size) throw new Error("the module is cut");
    const name = id === 0 ? `custom: ${new Reader(body).text()}` : (known[id] ?? `section ${id}`);
    wasm.sections.push({ name, size });
    if (!component && id === 2) wasm.imports = importsOf(body);
    if (!component && id === 7) wasm.exports = exportsOf(body);
    r.at += size;
  }
  return wasm;
}
