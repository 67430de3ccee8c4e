import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { CDPSession, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { dockerArchive } from "./archive.ts";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const MIB = 1024 * 1024;
const soon = { timeout: 8000 };
const browser = new Chromium();
const registry = new Registry({ auth: { mode: "local" } });
const open = new Registry();
const small = dockerArchive("team/app:v1", Buffer.from("small"));
const large = dockerArchive("team/large:v1", randomBytes(3 * MIB));

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start(), open.start()]);
  registry.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.run(["user", "add", "bob", "--password-stdin"], PASSWORD);
  registry.as("alice", PASSWORD);
  await registry.send("PUT", "/upload-image?repository=team/first&tag=v1", small);
  await registry.send("PUT", "/upload-image?repository=team/first&tag=v2", small.subarray(0, 3000)).catch(() => {});
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry, open].map((one) => one.stop())));

const file = (name: string, buffer: Buffer) => ({ name, mimeType: "application/x-tar", buffer });
const input = (page: Page) => page.locator("input[type=file][multiple]");
const card = (page: Page, name: string) => page.getByRole("list", { name: "From this browser" }).getByRole("listitem").filter({ hasText: name });

const lines = new WeakMap<Page, CDPSession>();

/** A line that is slow from here on: bytes a second, or -1: as fast as it can be. */
async function line(page: Page, upload: number) {
  let devtools = lines.get(page);
  if (!devtools) {
    devtools = await page.context().newCDPSession(page);
    await devtools.send("Network.enable");
    lines.set(page, devtools);
  }
  await devtools.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: upload });
}

/** A way to a registry that can be cut: connections break, and no other can be made. */
async function cuttable(to: Registry) {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(Number(new URL(to.url).port), "127.0.0.1");
    for (const one of [near, far]) {
      sockets.add(one);
      one.on("close", () => sockets.delete(one)).on("error", () => {});
    }
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    if (isCut) near.destroy();
    else near.pipe(far).pipe(near);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const cut = (on: boolean) => {
    isCut = on;
    if (on) for (const one of sockets) one.destroy();
  };
  const close = () => {
    cut(true);
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, close };
}

describe("uploading", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "alice", "/ui/upload", look);
      await page.getByRole("grid").getByText("team/first").first().waitFor();
      await picture(page, `upload-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("grid").getByRole("link").first().click();
      await page.getByRole("heading", { name: "It was refused" }).waitFor();
      await picture(page, `upload-refused-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("takes files where their own names lead, and leads there", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/upload");
    await input(page).setInputFiles([file("app.tar", small), file("broken.tar", small.subarray(0, 3000))]);
    await card(page, "app.tar").getByRole("link", { name: "team/app:v1" }).waitFor();
    await card(page, "broken.tar").getByRole("alert").waitFor();
    await picture(page, "upload-cards");
    expect(await flaws(page)).toBe("");
    await registry.send("GET", "/v2/team/app/manifests/v1");
    await card(page, "app.tar").getByRole("link", { name: "Details" }).click();
    await page.getByText("piece by piece").waitFor();
    await picture(page, "upload-one");
  });

  test("takes what is dropped, to where the address says", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/upload?repository=team/dropped&tag=v9");
    const data = await page.evaluateHandle((bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "dropped.tar"));
      return transfer;
    }, [...small]);
    const zone = page.getByRole("region", { name: "Drop archives of images here" });
    await zone.dispatchEvent("dragover", { dataTransfer: data });
    await zone.dispatchEvent("drop", { dataTransfer: data });
    await card(page, "dropped.tar").getByRole("link", { name: "team/dropped:v9" }).waitFor();
  });

  test("pauses and goes on with progress, also while other pages are looked at, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/upload");
    await line(page, MIB / 8);
    await input(page).setInputFiles(file("large.tar", large));
    const mine = card(page, "large.tar");
    const sent = () => mine.getByRole("progressbar").evaluate((bar: HTMLProgressElement) => bar.value);
    await expect.poll(sent, soon).toBeGreaterThan(MIB / 16);
    await picture(page, "upload-sending");
    expect(await flaws(page)).toBe("");
    await mine.getByRole("button", { name: "Pause" }).focus();
    await page.keyboard.press("Enter");
    await mine.getByText("Paused").waitFor();
    const [record] = (await (await registry.send("GET", "/api/v1/uploads?result=running")).json()).uploads;
    expect(record.expected).toBe(large.length);
    await mine.getByRole("button", { name: "Go on" }).focus();
    await page.keyboard.press("Enter");
    await mine.getByRole("button", { name: "Pause" }).waitFor();
    await line(page, -1);
    await page.getByRole("link", { name: "Repositories" }).click();
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    await page.goBack();
    await mine.getByRole("link", { name: "team/large:v1" }).waitFor();
  });

  test("goes on by itself when the line is back, with what has come kept", async () => {
    const wire = await cuttable(open);
    try {
      const page = await browser.open(wire, "/ui/upload?repository=team/line&tag=v1");
      const starts: number[] = [];
      page.on("request", (r) => r.method() === "PATCH" && starts.push(Number(r.headers()["upload-offset"])));
      await line(page, MIB / 8);
      await input(page).setInputFiles(file("line.tar", large));
      const mine = card(page, "line.tar");
      await expect.poll(() => mine.getByRole("progressbar").evaluate((bar: HTMLProgressElement) => bar.value), soon).toBeGreaterThan(MIB / 16);
      wire.cut(true);
      await mine.getByText("Trying again").waitFor();
      await line(page, -1);
      wire.cut(false);
      await mine.getByRole("link", { name: "team/line:v1" }).waitFor();
      expect(starts).toHaveLength(2);
      expect(starts[1]).toBeGreaterThan(0);
    } finally {
      wire.close();
    }
  });

  test("is given up or paused also while it is opened: nothing is sent after that, and nothing twice", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/upload?repository=team/early&tag=v1");
    const sent: string[] = [];
    page.on("request", (r) => r.method() !== "GET" && r.url().includes("/api/v1/uploads") && sent.push(r.method()));
    let go = () => {};
    const opened = new Promise<void>((done) => (go = done));
    let asked = 0;
    await page.route("**/api/v1/uploads?*", async (route) => {
      if (route.request().method() === "POST") {
        asked++;
        await opened;
      }
      await route.continue();
    });
    await input(page).setInputFiles(file("early.tar", small));
    await card(page, "early.tar").getByRole("button", { name: "Give up" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Give up" }).click();
    await card(page, "early.tar").getByText("Given up", { exact: true }).waitFor();
    await input(page).setInputFiles(file("paused.tar", small));
    await card(page, "paused.tar").getByRole("button", { name: "Pause" }).click();
    await card(page, "paused.tar").getByRole("button", { name: "Go on" }).click();
    await expect.poll(() => asked).toBe(2);
    const deleted = page.waitForRequest((r) => r.method() === "DELETE");
    go();
    await deleted;
    await card(page, "paused.tar").getByRole("link", { name: "team/early:v1" }).waitFor();
    await card(page, "early.tar").getByText("Given up", { exact: true }).waitFor();
    expect(sent.filter((one) => one === "PATCH")).toHaveLength(1);
    const { uploads } = await (await registry.send("GET", "/api/v1/uploads?result=running")).json();
    expect(uploads).toEqual([]);
  });

  test("goes on in another window with the same file only, or is given up", async () => {
    const head = { "Tus-Resumable": "1.0.0", "Upload-Length": String(small.length) };
    const answer = await registry.send("POST", "/api/v1/uploads?repository=team/later&tag=v1", "", head);
    const place = new URL(answer.headers.get("Location") ?? "", registry.url).pathname;
    await registry.send("PATCH", place, small.subarray(0, 2000), { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" });
    const page = await openAs(browser, registry, "alice", "/ui/upload?result=running");
    const choose = async (what: Buffer) => {
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("grid").getByRole("button", { name: "Go on" }).click();
      await (await chooser).setFiles(file("later.tar", what));
    };
    await choose(large);
    await page.getByText("This is another file").waitFor();
    await choose(small);
    await card(page, "later.tar").getByRole("link", { name: "team/later:v1" }).waitFor();
    await registry.send("POST", "/api/v1/uploads?repository=team/never&tag=v1", "", head);
    await page.goto(`${registry.url}/ui/upload?result=running`);
    await page.getByRole("grid").getByText("team/never").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Give up" }).click();
    await page.getByRole("dialog").getByText("is deleted").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Give up" }).click();
    await page.getByText("Given up", { exact: true }).waitFor();
  });

  test("goes on from a phone as well", async () => {
    const head = { "Tus-Resumable": "1.0.0", "Upload-Length": String(small.length) };
    await registry.send("POST", "/api/v1/uploads?repository=team/phone&tag=v1", "", head);
    const page = await openAs(browser, registry, "alice", "/ui/upload?result=running", { phone: true });
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("grid").locator(".row").filter({ hasText: "team/phone" }).getByRole("button", { name: "Go on" }).click();
    await (await chooser).setFiles(file("phone.tar", small));
    await card(page, "phone.tar").getByRole("link", { name: "team/phone:v1" }).waitFor();
  });

  test("is followed while it goes on", async () => {
    const head = { "Tus-Resumable": "1.0.0", "Upload-Length": String(small.length) };
    const answer = await registry.send("POST", "/api/v1/uploads?repository=team/seen&tag=v1", "", head);
    const place = new URL(answer.headers.get("Location") ?? "", registry.url).pathname;
    const page = await openAs(browser, registry, "alice", `/ui/upload?upload=${place.split("/").pop()}`);
    await page.getByRole("status").getByText("Waits for more").waitFor();
    await registry.send("PATCH", place, small, { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" });
    await page.getByRole("status").getByText("Done").waitFor();
    await page.locator("main").getByRole("link", { name: "team/seen:v1" }).waitFor();
  });

  test("is one's own business", async () => {
    const page = await openAs(browser, registry, "bob", "/ui/upload");
    await page.getByRole("heading", { name: "No uploads yet" }).waitFor();
    await page.getByRole("heading", { name: "Your uploads" }).waitFor();
  });

  test("works where nobody signs in", async () => {
    const page = await browser.open(open, "/ui/upload");
    await input(page).setInputFiles(file("app.tar", small));
    await card(page, "app.tar").getByRole("link", { name: "team/app:v1" }).waitFor();
  });

  test("is German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/upload", { language: "de" });
    await page.getByText("Archive von Images hier ablegen").waitFor();
    await picture(page, "upload-german");
  });

  test("shows what is foreign as text", async () => {
    const one = {
      id: "x", user: hostile, address: hostile, way: hostile, repository: hostile, tag: hostile, phase: "failed", failed_in: hostile,
      received: 1, expected: 2, rate: null, remaining: null, started: hostile, updated: hostile, ended: hostile, request_id: hostile,
      layers: [{ digest: hostile, size: 2, received: 1 }],
      images: [{ repository: hostile, digest: hostile, tags: [hostile] }],
      error: { code: hostile, message: hostile, reason: hostile, member: hostile, wrong: hostile, expected: hostile },
    };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/uploads?*", (route) => route.fulfill({ json: { uploads: [one] } }));
    await page.route("**/api/v1/uploads/x", (route) => route.fulfill({ json: one }));
    await page.goto(`${registry.url}/ui/upload?repository=${encodeURIComponent(hostile.slice(0, 90))}`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
    await input(page).setInputFiles(file(`${hostile.slice(0, 90).replaceAll("/", "")}.tar`, small));
    await card(page, "onerror").getByRole("alert").waitFor();
    await staysText(page);
    await page.goto(`${registry.url}/ui/upload?upload=x`);
    await page.getByText("onerror").first().waitFor();
    await staysText(page);
  });
});
