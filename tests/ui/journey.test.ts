/** What a person does who has never seen this page: finds an old image with a hole, understands it, deletes it. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Chromium, picture } from "./browser.ts";
import { image, Scanner, scanned, tar } from "./image-content.ts";
import { Registry } from "./registry.ts";

const MINUTE_MS = 60_000;
const THINKING_MS = 3000; // before each step
const browser = new Chromium();
const scanner = new Scanner();
const registry = new Registry({ scan: scanner.scan });

function says(vulnerabilities: object[]): Buffer {
  return tar({ "planted.json": JSON.stringify({ os: ["debian", "12.8"], packages: 3, vulnerabilities }) });
}

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start()]);
  const hole = { cve: "CVE-2026-2001", severity: "critical", package: "openssl", installed: "3.0.1", fixed: "3.0.2" };
  await image(registry, "dev/shop", "1.0", { layers: [says([hole])] });
  await image(registry, "dev/shop", "2.0", { layers: [says([])] });
  for (const name of ["base/alpine", "ops/backup"]) await image(registry, name, "1", { layers: [says([])] });
  await Promise.all(["1.0", "2.0"].map((tag) => scanned(registry, "dev/shop", tag)));
});
afterEach(() => browser.close());
afterAll(async () => {
  await Promise.all([browser, registry].map((one) => one.stop()));
  scanner.stop();
});

test("a stranger finds, understands and deletes an old vulnerable image in less than a minute", async () => {
  const page = await browser.open(registry, "/");
  const started = Date.now();
  const steps: [string, () => Promise<unknown>][] = [
    ["opens the repository", () => page.getByRole("link", { name: "dev/shop" }).click()],
    ["sees which tag has a hole, and opens it", async () => {
      const row = page.getByRole("grid").locator(".row", { hasText: "Critical" });
      await row.waitFor();
      await picture(page, "journey-tags");
      expect(await row.locator(".name").innerText()).toBe("1.0");
      await row.getByRole("link").click();
    }],
    ["opens what was found", () => page.getByRole("tab", { name: "Vulnerabilities" }).click()],
    ["reads what it is and that there is a better version, and goes back", async () => {
      await page.getByText("CVE-2026-2001").first().waitFor();
      await page.getByText("3.0.2").first().waitFor();
      await picture(page, "journey-found");
      await page.getByRole("link", { name: "dev/shop" }).first().click();
    }],
    ["selects it", () => page.getByRole("checkbox", { name: "Select 1.0" }).check()],
    ["asks to delete it", () => page.getByRole("button", { name: "Delete…" }).click()],
    ["chooses the image as well", () => page.getByRole("radio", { name: "The image as well" }).check()],
    ["says yes", () => page.getByRole("dialog").getByRole("button", { name: "Delete" }).click()],
    ["is told that it is gone", () => page.getByText("1 image deleted").waitFor()],
  ];
  for (const [, step] of steps) await step();
  await page.getByRole("link", { name: "1.0" }).waitFor({ state: "detached" });
  await picture(page, "journey-done");
  expect(await page.getByRole("grid").locator(".name").allInnerTexts()).toEqual(["2.0"]);
  expect((await fetch(`${registry.url}/v2/dev/shop/manifests/1.0`)).status).toBe(404);
  const ms = Date.now() - started;
  console.log(`${steps.length} steps: ${ms} ms of the page`);
  expect(ms + steps.length * THINKING_MS).toBeLessThan(MINUTE_MS);
});
