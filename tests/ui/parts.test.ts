import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Chromium, flaws, looks, type Looking, picture } from "./browser.ts";

const browser = new Chromium();
let vite: ViteDevServer;
let url = "";

beforeAll(async () => {
  const root = fileURLToPath(new URL("../../web", import.meta.url));
  vite = await createServer({ root, logLevel: "error", server: { port: 0, host: "127.0.0.1", hmr: false } });
  await Promise.all([browser.start(), vite.listen()]);
  url = vite.resolvedUrls!.local[0]!.replace(/\/$/, "");
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser.stop(), vite.close()]));

async function open(tab: string, look: Looking = {}): Promise<Page> {
  const page = await browser.open({ url }, `/gallery/index.html?tab=${tab}`, look);
  await page.getByRole("heading", { name: "Parts" }).waitFor();
  return page;
}

const hit = (page: Page) => page.evaluate(() => (window as unknown as { hit?: number }).hit);

for (const [name, look] of Object.entries(looks)) {
  test(`no part has a flaw that axe finds: ${name}`, async () => {
    const page = await open("table", look);
    for (const tab of ["Table", "Words", "States"]) {
      await page.getByRole("tab", { name: tab }).click();
      await picture(page, `parts-${tab.toLowerCase()}-${name}`);
      expect(await flaws(page)).toBe("");
    }
    expect(await hit(page)).toBe(undefined);
  });
}

test("tabs have addresses, and arrows move in them", async () => {
  const page = await open("words");
  await page.getByRole("tab", { name: "Words" }).focus();
  await page.keyboard.press("ArrowRight");
  expect(await page.getByRole("tab", { name: "States" }).getAttribute("aria-selected")).toBe("true");
  expect(new URL(page.url()).search).toBe("?tab=states");
  await page.getByRole("tab", { name: "Table" }).click();
  expect(new URL(page.url()).search).toBe("");
  await page.goBack();
  expect(await page.getByRole("tab", { name: "States" }).getAttribute("aria-selected")).toBe("true");
});

test("rows are selected by keys and by boxes, deleted after a question, and come back", async () => {
  const page = await open("table");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.getByRole("checkbox", { name: "Select 1.4", exact: true }).click({ modifiers: ["Shift"] });
  await page.getByText("5 selected").waitFor();
  await picture(page, "parts-selected");
  await page.getByRole("button", { name: "Delete" }).click();
  const question = page.getByRole("dialog", { name: "Delete 5 tags?" });
  await question.waitFor();
  await picture(page, "parts-question");
  expect(await flaws(page)).toBe("");
  await question.getByRole("button", { name: "Delete 5 tags" }).click();
  await page.getByRole("checkbox", { name: "Select 1.4", exact: true }).waitFor({ state: "detached" });
  await picture(page, "parts-toast");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("checkbox", { name: "Select 1.4", exact: true }).waitFor();
  expect(await hit(page)).toBe(undefined);
});

test("a question that is closed is answered no", async () => {
  const page = await open("table");
  await page.getByRole("checkbox", { name: "Select 1.0", exact: true }).check();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("checkbox", { name: "Select 1.0", exact: true }).waitFor();
});

test("text that is marked in a dialog, and let go beside it, does not close it; a click there does", async () => {
  const page = await open("words");
  await page.getByRole("button", { name: "Open" }).press("Enter");
  const dialog = page.getByRole("dialog", { name: "A dialog" });
  const box = (await dialog.boundingBox())!;
  await page.mouse.move(box.x + 40, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(5, 5);
  await page.mouse.up();
  expect(await dialog.isVisible()).toBe(true);
  await page.mouse.click(5, 5);
  await dialog.waitFor({ state: "detached" });
});

test("a dialog gives the focus back", async () => {
  const page = await open("words");
  await page.getByRole("button", { name: "Open" }).press("Enter");
  await page.getByRole("dialog", { name: "A dialog" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Open");
});

test("a menu is used by keys alone", async () => {
  const page = await open("words");
  await page.getByRole("button", { name: "More" }).press("Enter");
  await page.getByRole("menuitem", { name: "One" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByText("<img src=x").waitFor();
  expect(await hit(page)).toBe(undefined);
});
