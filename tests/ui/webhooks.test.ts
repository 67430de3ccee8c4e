import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const without = new Registry({ auth: { mode: "local" } });
let registry: Registry;
let receiver: Server;
let answer = 400; // is refused for good: a dead letter at once
let received = 0;

beforeAll(async () => {
  receiver = createServer((request, reply) => {
    request.resume();
    request.on("end", () => {
      received++;
      reply.writeHead(request.url === "/down" ? 503 : answer).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  registry = new Registry({
    auth: { mode: "local" },
    webhooks: [
      { name: "security", url: `${url}/secret-path`, events: ["push"], repositories: ["dev/**"], allow_private: true },
      { name: "down", url: `${url}/down`, events: ["push"], allow_private: true },
    ],
  });
  await Promise.all([browser.start(), registry.start(), without.start()]);
  for (const one of [registry, without]) one.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.as("alice", PASSWORD);
  for (const tag of ["1.0", "1.1", "1.2"]) await registry.push("dev/shop", tag, { layers: [Buffer.from(tag)] });
  for (;;) {
    const { webhooks } = await (await registry.send("GET", "/api/v1/webhooks")).json();
    if (webhooks.find((w: { name: string }) => w.name === "security").dead >= 3) break;
  }
});
afterEach(() => browser.close());
afterAll(async () => {
  await Promise.all([browser, registry, without].map((one) => one.stop()));
  receiver.close();
});

describe("webhooks", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`have no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "alice", "/ui/webhooks", look);
      await page.getByRole("grid").getByText("security").waitFor();
      await page.getByRole("grid").getByText("Failing").waitFor();
      await picture(page, `webhooks-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("link", { name: "security" }).click();
      await page.getByRole("grid").getByText("manifest.pushed").first().waitFor();
      await picture(page, `webhook-${name}`);
      expect(await flaws(page)).toBe("");
      expect(await page.locator("main").innerText()).not.toContain("secret-path");
    });
  }

  test("are told what they missed, one and all, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/webhooks?name=security");
    const grid = page.getByRole("grid");
    await grid.getByText("manifest.pushed").first().waitFor();
    const rows = grid.locator(".row");
    const before = await rows.count();
    await rows.first().getByRole("button", { name: /^Send again: event/ }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("It was not taken").waitFor();
    answer = 204;
    const was = received;
    await grid.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Event" });
    await dialog.getByText('"dev/shop"').waitFor();
    await picture(page, "webhook-event");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Send again" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("It was taken after").waitFor();
    await expect.poll(() => rows.count(), { timeout: 8000 }).toBe(before - 1);
    await page.getByRole("button", { name: "Send all again" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: `Send ${before - 1}` }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Nothing was given up" }).waitFor();
    expect(received).toBeGreaterThanOrEqual(was + before);
  });

  test("are sent once, however often one clicks", async () => {
    const page = await openAs(browser, registry, "alice", "/healthz");
    const dead = { seq: 7, at: "2026-11-01T00:00:00Z", status: 400, why: "no", event: { event: "manifest.pushed", repository: "dev/shop", tag: "v1" } };
    await page.route("**/api/v1/webhooks/down/deliveries?*", (route) => route.fulfill({ json: { deliveries: [dead] } }));
    let sent = 0;
    let go = () => {};
    await page.route("**/api/v1/webhooks/down/redeliver", async (route) => {
      sent++;
      await new Promise<void>((done) => (go = done));
      await route.fulfill({ json: { delivered: true, took_ms: 5, status: 204, why: "" } });
    });
    await page.goto(`${registry.url}/ui/webhooks?name=down`);
    const again = page.getByRole("grid").getByRole("button", { name: "Send again: event 7" });
    await again.dblclick({ delay: 1 });
    await expect.poll(() => sent).toBe(1);
    expect(await again.isDisabled()).toBe(true);
    go();
    await page.getByText("It was taken after").waitFor();
    expect(sent).toBe(1);
  });

  test("are tested", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/webhooks?name=down");
    await page.getByText("Failing since").waitFor();
    await page.getByRole("button", { name: "Send a test" }).click();
    await page.getByText("It was not taken").waitFor();
  });

  test("say how to get one where none is, and that one is gone", async () => {
    const page = await openAs(browser, without, "alice", "/ui/webhooks");
    await page.getByRole("heading", { name: "No webhooks" }).waitFor();
    await picture(page, "webhooks-empty");
    expect(await flaws(page)).toBe("");
    await page.goto(`${without.url}/ui/webhooks?name=old`);
    await page.getByRole("heading", { name: "No such webhook" }).waitFor();
  });

  test("are German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/webhooks?name=down", { language: "de" });
    await page.getByText("Gestört seit").waitFor();
    await picture(page, "webhook-german");
  });

  test("what is foreign is shown as text", async () => {
    const one = { name: "x", kind: "webhook", server: hostile, events: [hostile], repositories: [hostile], waiting: 1, delivered: 1, dead: 1, lost: 1, delivered_at: hostile, state: "failing", failures: 1, status: 500, why: hostile, failing_since: hostile, next_try: hostile };
    const dead = { seq: 1, at: hostile, status: 400, why: hostile, event: { event: hostile, repository: hostile, tag: hostile, actor: hostile } };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/webhooks", (route) => route.fulfill({ json: { webhooks: [one] } }));
    await page.route("**/api/v1/webhooks/x/deliveries?*", (route) => route.fulfill({ json: { deliveries: [dead] } }));
    await page.goto(`${registry.url}/ui/webhooks`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
    await page.goto(`${registry.url}/ui/webhooks?name=x`);
    await page.getByRole("grid").scrollIntoViewIfNeeded();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("onerror").first().waitFor();
    await staysText(page);
  });
});
