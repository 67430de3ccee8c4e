import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Each file also as .br and .gz, for scripts/embed_ui.py. */
function pack(): Plugin {
  return {
    name: "pack",
    apply: "build",
    writeBundle({ dir }) {
      const assets = join(dir ?? "dist", "ui/assets");
      for (const name of readdirSync(assets)) {
        const path = join(assets, name);
        const plain = readFileSync(path);
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params }));
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
      }
    },
  };
}

// A registry to develop against: `npm run dev` shows its content.
const registry = process.env.REGISTRY ?? "http://127.0.0.1:5000";

export default defineConfig({
  base: "./", // all is found from <base>, which the server writes
  plugins: [pack()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    assetsDir: "ui/assets",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    manifest: true,
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": registry, "/v2": registry, "/auth": registry, "/healthz": registry } },
});
