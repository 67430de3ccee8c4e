import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const registry = new Registry({ auth: { mode: "local" }, gc: { undo: "2d" } });
const empty = new Registry({ auth: { mode: "local" } });
let digest = "";

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start(), empty.start()]);
  for (const one of [registry, empty]) one.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.as("alice", PASSWORD);
  digest = await registry.push("dev/shop", "1.0", { layers: [Buffer.from("a layer")] });
  await registry.push("dev/kept", "1.0", { layers: [Buffer.from("another layer")] });
  await registry.blob("dev/shop", Buffer.from("nothing names this"));
  await registry.send("DELETE", `/v2/dev/shop/manifests/${digest}`);
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry, empty].map((one) => one.stop())));

async function ended(path: string): Promise<{ id: string }> {
  const { id } = await (await registry.send("POST", "/api/v1/gc", path, { "Content-Type": "application/json" })).json();
  for (;;) {
    const run = await (await registry.send("GET", `/api/v1/gc/runs/${id}`)).json();
    if (run.state === "done") return run;
    if (!["waiting", "running"].includes(run.state)) throw new Error(`the run ${run.state}: ${run.error}`);
  }
}

describe("collection", () => {
  test("says what to do where no run was yet", async () => {
    const page = await openAs(browser, empty, "alice", "/ui/collection");
    await page.getByRole("heading", { name: "No runs yet" }).waitFor();
    expect(await flaws(page)).toBe("");
  });

  test("is looked at first, carried out and undone, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/collection");
    await page.getByRole("heading", { name: "No runs yet" }).waitFor();
    await page.getByRole("button", { name: "Look what would go" }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Condemned for at least").focus();
    await page.keyboard.type("0s");
    await picture(page, "collection-order");
    expect(await flaws(page)).toBe("");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Dry run" }).waitFor();
    await page.getByText("Done").waitFor();
    await page.getByRole("grid").getByText("is deleted").first().waitFor();
    expect(await page.getByRole("grid").getByText("dev/kept").count()).toBe(0);
    expect(await page.getByRole("button", { name: "Undo" }).count()).toBe(0);
    await page.goBack();
    await page.getByRole("button", { name: "Collect", exact: false }).first().focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Condemned for at least").focus();
    await page.keyboard.type("0s");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Collection" }).waitFor();
    await page.getByRole("button", { name: "Undo" }).waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Undo" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("Tags that point elsewhere").waitFor();
    await picture(page, "collection-undo");
    await page.getByRole("button", { name: "Bring back" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Undoing" }).waitFor();
    await page.getByText("Done").waitFor();
    await page.getByRole("link", { name: "Runs" }).click();
    await page.getByRole("grid").getByText("Dry run").waitFor();
    expect(await page.getByRole("grid").locator(".row").count()).toBe(3);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Undoing" }).waitFor();
  }, 90_000);

  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      await registry.blob("dev/shop", Buffer.from(`nothing names this: ${name}`));
      const run = await ended('{"dry_run": true, "older_than": "0s", "repository": "dev/shop"}');
      const page = await openAs(browser, registry, "alice", `/ui/collection?run=${run.id}`, look);
      await page.getByText("Done").waitFor();
      await picture(page, `collection-run-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("grid").locator(".row").first().click();
      await page.getByRole("dialog").getByText("no manifest names it").waitFor();
      expect(await flaws(page)).toBe("");
      await page.goto(`${registry.url}/ui/collection`);
      await page.getByRole("grid").waitFor();
      await picture(page, `collection-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("says what is wrong with an order, in the dialog", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/collection");
    await page.getByRole("button", { name: "Look what would go" }).click();
    await page.getByLabel("Condemned for at least").fill("tomorrow");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("'older_than' is no duration").waitFor();
  });

  test("is German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/collection", { language: "de" });
    await page.getByRole("heading", { name: "Aufräumen" }).waitFor();
    await page.getByRole("button", { name: "Nachsehen, was ginge" }).waitFor();
    await picture(page, "collection-german");
  });

  test("shows what is foreign as text", async () => {
    const sum = { blobs: 1, manifests: 1, bytes: 9 };
    const run = { id: "x", by: hostile, started: null, ended: null, state: "failed", error: hostile, repository: hostile, dry_run: true, deleted: sum };
    const entry = { repository: hostile, at: "", kind: "manifest", digest: hostile, size: 1, reason: hostile, action: hostile, tags: [hostile] };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/gc/runs?*", (route) => route.fulfill({ json: { runs: [run] } }));
    await page.route("**/api/v1/gc/runs/*", (route) => route.fulfill({ json: { ...run, entries: [entry] } }));
    await page.goto(`${registry.url}/ui/collection`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
    await page.goto(`${registry.url}/ui/collection?run=x`);
    await page.getByRole("grid").scrollIntoViewIfNeeded();
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
  });

  test("is for admins", async () => {
    registry.run(["user", "add", "bob", "--password-stdin"], PASSWORD);
    const page = await openAs(browser, registry, "bob", "/ui/collection");
    await page.getByRole("heading", { name: "You may not see this" }).waitFor();
    expect(await page.getByRole("navigation").getByText("Collection").count()).toBe(0);
  });
});
