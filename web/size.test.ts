/* What the page weighs, as it was built. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const KIB = 1024;
const dist = fileURLToPath(new URL("dist/", import.meta.url));

interface Chunk {
  file: string;
  imports?: string[];
}

function scriptsOf(manifest: Record<string, Chunk>, entry: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[entry];
  if (!chunk || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const one of chunk.imports ?? []) scriptsOf(manifest, one, seen);
  return seen;
}

const weight = (file: string) => statSync(dist + file).size;

test("it was built", () => {
  expect(existsSync(`${dist}index.html`), "run scripts/build").toBe(true);
});

test("the first page needs less than 40 KiB of JavaScript", () => {
  const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, "utf8"));
  const scripts = scriptsOf(manifest, "index.html");
  scriptsOf(manifest, "src/pages/repositories/page.tsx", scripts);
  const bytes = [...scripts].map((file) => weight(`${file}.br`)).reduce((a, b) => a + b);
  console.log(`first page: ${(bytes / KIB).toFixed(1)} KiB of JavaScript, ${scripts.size} files`);
  expect(bytes).toBeLessThan(40 * KIB);
});

test("all of it takes less than 400 KiB of the program", () => {
  const packed = readdirSync(`${dist}ui/assets`).filter((name) => /\.(br|gz)$/.test(name));
  const bytes = packed.map((name) => weight(`ui/assets/${name}`)).reduce((a, b) => a + b);
  console.log(`in the program: ${(bytes / KIB).toFixed(1)} KiB`);
  expect(bytes).toBeLessThan(400 * KIB);
});
