import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { fs: { allow: [here("..")] } },
  test: {
    projects: [
      { test: { name: "units", root: here("."), include: ["src/**/*.test.ts", "size.test.ts"] } },
      {
        // Against the real registry, in a real browser. They find their packages here.
        resolve: {
          alias: {
            "playwright-core": here("node_modules/playwright-core"),
            "axe-core": here("node_modules/axe-core"),
            vite: here("node_modules/vite"),
            vitest: here("node_modules/vitest"),
          },
        },
        test: {
          name: "browser",
          root: here("../tests/ui"),
          include: ["**/*.test.ts"],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
