import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const registry = new Registry({ auth: { mode: "local" } });

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start()]);
  registry.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.as("alice", PASSWORD);
  for (const name of ["dev/shop", "ops/backup"]) await registry.push(name, "1.0", { layers: [Buffer.from(name)] });
  await registry.send("DELETE", "/v2/ops/backup/manifests/1.0");
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry].map((one) => one.stop())));

const query = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);

describe("the audit trail", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "alice", "/ui/audit?actor=user:alice", look);
      await page.getByRole("grid").getByText("push").first().waitFor();
      await picture(page, `audit-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("is filtered as one types, with an address for each view, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/audit");
    await page.getByRole("grid").getByText("dev/shop").first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("user:alice");
    await page.keyboard.press("Tab");
    await page.keyboard.type("delete");
    await page.getByRole("grid").getByText("dev/shop").first().waitFor({ state: "detached" });
    await page.getByRole("grid").getByText("ops/backup").first().waitFor();
    expect(query(page)).toEqual({ actor: "user:alice", action: "delete" });
    await page.reload();
    await page.getByRole("grid").getByText("ops/backup").first().waitFor();
    expect(await page.getByLabel("Action").inputValue()).toBe("delete");
    await page.getByRole("button", { name: "Clear filters" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("grid").getByText("dev/shop").first().waitFor();
    expect(query(page)).toEqual({});
  });

  test("tells all of an entry, and leads to others like it", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/audit?action=push");
    await page.getByRole("grid").getByText("dev/shop").first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Entry" });
    await dialog.getByText("127.0.0.1").waitFor();
    await picture(page, "audit-entry");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "only such Who user:alice" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(query(page)).toEqual({ action: "push", actor: "user:alice" });
    await page.goBack();
    await page.waitForURL("**/ui/audit?action=push");
  });

  test("puts no filter into the address of another page", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/audit");
    await page.getByRole("grid").getByText("dev/shop").first().waitFor();
    await page.clock.install();
    await page.getByLabel("Who").fill("user:nobody");
    await page.getByRole("navigation").getByRole("link", { name: "Repositories" }).click();
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    await page.clock.fastForward(2000);
    expect(query(page)).toEqual({});
  });

  test("takes days of the reader, both of them whole", async () => {
    const page = await openAs(browser, registry, "alice", "/healthz");
    const asked = page.waitForRequest("**/api/v1/audit?*");
    await page.goto(`${registry.url}/ui/audit?from=2026-01-10&to=2026-01-10`);
    const { searchParams } = new URL((await asked).url());
    expect(searchParams.get("from")).toBe("2026-01-09T23:00:00.000Z"); // Berlin
    expect(searchParams.get("to")).toBe("2026-01-10T23:00:00.000Z");
    await page.getByRole("heading", { name: "No entry matches" }).waitFor();
  });

  test("is German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/audit", { language: "de" });
    await page.getByRole("heading", { name: "Protokoll" }).waitFor();
    await page.getByRole("columnheader", { name: "Ergebnis" }).waitFor();
    await page.route("**/api/v1/audit?*", (route) =>
      route.fulfill({ json: { entries: [{ id: 1, time: "2026-11-01T00:00:00Z", actor: "user:bob", action: "push", target: "x", address: "::1", result: "denied", detail: "" }] } }),
    );
    await page.reload();
    await page.getByRole("grid").getByText("verweigert").waitFor();
    await page.getByRole("grid").locator('[lang="en"]').getByText("push").waitFor();
  });

  test("shows what is foreign as text, also in its own filters", async () => {
    const entry = { id: 1, time: hostile, actor: hostile, action: hostile, target: hostile, address: hostile, result: hostile, detail: hostile };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/audit?*", (route) => route.fulfill({ json: { entries: [entry] } }));
    await page.goto(`${registry.url}/ui/audit?actor=${encodeURIComponent(hostile.slice(0, 90))}`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("onerror").first().waitFor();
    await staysText(page);
  });
});
