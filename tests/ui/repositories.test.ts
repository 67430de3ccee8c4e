import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture, scrolled } from "./browser.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const empty = new Registry();
const full = new Registry();
const names = ["base/alpine", "base/debian", "dev/shop/api", "dev/shop/frontend", "dev/shop/worker", "ops/backup", "tools"];

beforeAll(async () => {
  await Promise.all([browser.start(), empty.start(), full.start()]);
  for (const name of names) await full.push(name, "1.0", { layers: [Buffer.from(name)] });
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, empty, full].map((one) => one.stop())));

const rowsOf = (page: Page) => page.getByRole("grid").locator(".row");
const shown = (page: Page) => page.getByRole("grid").locator(".name").allInnerTexts();

describe("the list of repositories", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await browser.open(full, "/", look);
      await page.getByText("frontend").waitFor();
      await picture(page, `repositories-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("says what to do where nothing is yet", async () => {
    const page = await browser.open(empty, "/");
    await page.getByText("No repositories yet").waitFor();
    expect(await page.locator("pre").innerText()).toContain(`docker push ${new URL(empty.url).host}/dev/hello:1.0`);
    await picture(page, "repositories-empty");
    expect(await flaws(page)).toBe("");
  });

  test("is searched as one types, with an address for each search", async () => {
    const page = await browser.open(full, "/");
    await page.getByText("frontend").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("shop");
    await page.getByText("base/").first().waitFor({ state: "detached" });
    expect(await shown(page)).toEqual(["dev/shop/api", "dev/shop/frontend", "dev/shop/worker"]);
    expect(new URL(page.url()).search).toBe("?search=shop");
    await page.reload();
    await page.getByText("frontend").waitFor();
    expect(await rowsOf(page).count()).toBe(3);
    await page.getByRole("searchbox").fill("nothing<b>");
    await page.getByText("No repository has “nothing<b>” in its name").waitFor();
  });

  test("is used by keys alone", async () => {
    const page = await browser.open(full, "/");
    await page.getByText("frontend").waitFor();
    for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
    const id = await page.getByRole("grid").getAttribute("aria-activedescendant");
    expect(await page.locator(`[id="${id}"] .name`).innerText()).toBe("base/debian");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/ui/repositories/base/debian");
    await page.goBack();
    await page.getByText("frontend").waitFor();
  });

  test("is a tree to who wants that, whose folders shut, by keys as well", async () => {
    const page = await browser.open(full, "/");
    await page.getByText("frontend").waitFor();
    await page.getByRole("button", { name: "Tree" }).click();
    await page.getByRole("button", { name: "dev/shop/" }).waitFor();
    expect(new URL(page.url()).search).toBe("?view=tree");
    await picture(page, "repositories-tree");
    expect(await flaws(page)).toBe("");
    await page.getByRole("button", { name: "dev/shop/" }).click();
    await page.getByText("frontend").waitFor({ state: "detached" });
    await page.getByText("3 repositories").first().waitFor();
    for (const key of ["j", "Enter"]) await page.keyboard.press(key);
    await page.getByText("alpine").waitFor({ state: "detached" });
    await page.getByRole("link", { name: "backup" }).click();
    await page.waitForURL("**/ui/repositories/ops/backup");
  });

  test("is German to who wants that", async () => {
    const page = await browser.open(full, "/", { language: "de" });
    await page.getByRole("columnheader", { name: "Letzter Push" }).waitFor();
    await picture(page, "repositories-german");
  });
});

describe("a list of 10,000", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => ({
    name: `team-${i % 40}/service-${i}`,
    tags: i,
    manifests: i,
    size: i * 1_234_567,
    pushed: new Date(Date.now() - i * 3_600_000).toISOString(),
    pulled: null,
    latest: {
      tag: "1.0",
      digest: "sha256:0",
      media_type: "",
      artifact_type: null,
      scan: i % 3 ? { status: "completed", worst: (["critical", "high", "medium", "low", null] as const)[i % 5], vulnerabilities: { critical: i % 9, high: 3, medium: 12, low: 1 } } : null,
    },
  }));

  async function open(look = {}): Promise<Page> {
    const page = await browser.open(full, "/ui/nowhere", look);
    await page.route("**/api/v1/repositories?*", (route) => route.fulfill({ json: { repositories: many } }));
    await page.getByRole("link", { name: "To the repositories" }).click();
    await page.getByText("team-0/service-0", { exact: true }).waitFor();
    return page;
  }

  test("draws only what is on the screen, and all of that at once", async () => {
    const page = await open();
    await picture(page, "repositories-many");
    expect(await page.getByRole("grid").getAttribute("aria-rowcount")).toBe("10001");
    await page.keyboard.press("j");
    await page.keyboard.press("End");
    await page.getByText("team-39/service-9999", { exact: true }).waitFor();
    expect(await rowsOf(page).count()).toBeLessThan(60);
  });

  test("needs less than a frame's time for a frame of scrolling", async () => {
    const page = await open();
    const { frameMs, blank } = await scrolled(page);
    console.log(`a frame of scrolling takes ${frameMs.toFixed(2)} ms`);
    expect(blank).toBe(0);
    expect(frameMs).toBeLessThan(16);
  });
});
