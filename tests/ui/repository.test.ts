import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture, scrolled } from "./browser.ts";
import { Registry } from "./registry.ts";

const NAME = "dev/shop/api";
const LONG = "x".repeat(10_000);
const HOSTILE = `<img src=x onerror=alert(1)> "quotes' \u202Edesrever ${LONG}`;
const README = `# The shop's API

Answers **orders** and <script>alert(1)</script> <img src="https://evil.example/x.png" onerror="alert(1)"> nothing else.

[docs](https://example.com/docs) [bad](javascript:alert(1)) ![a picture](https://evil.example/y.png)

| port | what |
| --- | --- |
| 8080 | HTTP |

\`\`\`sh
docker run -p 8080:8080 shop
\`\`\`

<form action="https://evil.example"><input name="password"></form><style>body{display:none}</style>
`;

const browser = new Chromium();
const full = new Registry();
const guarded = new Registry({ auth: { mode: "local" } });
const PASSWORD = "Another&Llama77";
const OCI = "application/vnd.oci.image";
const host = () => new URL(full.url).host;
const digests: string[] = [];

async function put(repository: string, tag: string, manifest: object) {
  const type = (manifest as { mediaType: string }).mediaType;
  await full.send("PUT", `/v2/${repository}/manifests/${tag}`, JSON.stringify(manifest), { "Content-Type": type });
}

async function artifact(repository: string, tag: string, configType: string, config: object, annotations = {}) {
  const blob = await full.blob(repository, Buffer.from(JSON.stringify(config)));
  const layer = await full.blob(repository, Buffer.from(tag));
  await put(repository, tag, {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: { mediaType: configType, ...blob },
    layers: [{ mediaType: "application/octet-stream", ...layer }],
    annotations,
  });
}

async function index(repository: string, tag: string, platforms: readonly string[]) {
  const manifests = [];
  for (const platform of platforms) {
    const [os, architecture, variant] = platform.split("/");
    const digest = await full.push(repository, `${tag}-${manifests.length}`, { layers: [Buffer.from(platform)] });
    const head = await full.send("HEAD", `/v2/${repository}/manifests/${digest}`);
    const size = Number(head.headers.get("Content-Length"));
    manifests.push({ mediaType: `${OCI}.manifest.v1+json`, digest, size, platform: { os, architecture, variant } });
  }
  await put(repository, tag, { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests });
}

beforeAll(async () => {
  await Promise.all([browser.start(), full.start(), guarded.start()]);
  for (const tag of ["1.0", "1.1", "1.2", "latest"]) {
    const annotations = {
      "org.opencontainers.image.description": README,
      "org.opencontainers.image.source": "https://example.com/shop.git",
      "org.opencontainers.image.url": "javascript:alert(1)",
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.authors": HOSTILE,
    };
    const one = tag === "latest" ? "1.2" : tag;
    digests.push(await full.push(NAME, tag, { layers: [Buffer.from(one.repeat(2000))], env: [one], annotations }));
  }
  await index("dev/many", "2.0", ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"]);
  await index("dev/hostile", "3.0", [`linux/<img src=x onerror=alert(1)>`, `\u202Esdrawkcab/${"y".repeat(10_000)}`]);
  await artifact("dev/hostile", "odd", `application/vnd.<img src=x onerror=alert(1)>+json`, {});
  await artifact("charts/shop", "0.3.0", "application/vnd.cncf.helm.config.v1+json", {
    name: "shop",
    version: "0.3.0",
    description: "All of the shop",
    home: "https://example.com",
    maintainers: [{ name: "Ann" }],
  });
  guarded.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  await guarded.as("alice", PASSWORD).push("team/app", "v1", { layers: [Buffer.from("v1")] });
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, full, guarded].map((one) => one.stop())));

const at = (name: string, query = "") => `/ui/repositories/${name}${query}`;
const shown = (page: Page) => page.getByRole("grid").locator(".name").allInnerTexts();
const tagged = async (name: string, tag: string) =>
  (await fetch(`${full.url}/v2/${name}/manifests/${tag}`, { method: "HEAD", headers: { Accept: "*/*" } })).headers.get("Docker-Content-Digest");

/** A repository of its own, for what changes it. */
async function own(name: string, tags: readonly string[]): Promise<string[]> {
  const made = [];
  for (const tag of tags) made.push(await full.push(name, tag, { layers: [Buffer.from(name + tag)], env: [tag] }));
  return made;
}

const scanned = {
  status: "completed",
  scanned_at: "2026-11-01T00:00:00Z",
  worst: "critical",
  vulnerabilities: { critical: 2, high: 5, medium: 12, low: 1, unknown: 0 },
};

describe("a repository", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await browser.open(full, "/ui/nowhere", look);
      await page.route("**/api/v1/repositories/*/*/*/tags?*", async (route) => {
        const answer = await route.fetch();
        const json = await answer.json();
        Object.assign(json.tags[0], { scan: scanned, signed: true, pulled: json.tags[0].pushed });
        Object.assign(json.tags[1], { scan: { ...scanned, worst: null, vulnerabilities: {} } });
        Object.assign(json.tags[2], { scan: { status: "running", worst: null, vulnerabilities: null } });
        Object.assign(json.tags[3], { scan: { ...scanned, worst: null, vulnerabilities: {}, partial: true } });
        await route.fulfill({ response: answer, json });
      });
      await page.goto(full.url + at(NAME));
      await page.getByText("1.1", { exact: true }).waitFor();
      await page.getByText("Partly scanned").waitFor();
      expect(await page.getByText("Clean", { exact: true }).count()).toBe(1);
      await page.getByRole("checkbox", { name: "Select 1.1" }).check();
      await picture(page, `repository-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("tab", { name: "About" }).click();
      await page.getByRole("heading", { name: "The shop's API" }).waitFor();
      await picture(page, `repository-about-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("tab", { name: "How to pull" }).click();
      await page.getByText(`docker pull ${host()}/${NAME}:latest`).waitFor();
      await picture(page, `repository-pull-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }
});

describe("the tags of a repository", () => {
  test("come latest first, and need two requests", async () => {
    const asked: string[] = [];
    const page = await browser.open(full, "/ui/nowhere");
    page.on("request", (r) => r.url().includes("/api/") && asked.push(new URL(r.url()).pathname));
    await page.getByRole("link", { name: "To the repositories" }).click();
    const link = page.getByRole("link", { name: NAME });
    await link.waitFor();
    asked.length = 0;
    await link.click();
    await page.getByText("1.1", { exact: true }).waitFor();
    expect(await shown(page)).toEqual(["latest", "1.2", "1.1", "1.0"]);
    expect(asked.filter((one) => !one.endsWith("/events")).sort()).toEqual([
      `/api/v1/repositories/${NAME}`,
      `/api/v1/repositories/${NAME}/tags`,
    ]);
    await page.getByRole("columnheader", { name: "Tag" }).getByRole("button").click();
    await page.waitForURL((url) => url.search === "?sort=name");
    await expect.poll(() => shown(page)).toEqual(["1.0", "1.1", "1.2", "latest"]);
  });

  test("are filtered as one types", async () => {
    const page = await browser.open(full, at(NAME));
    await page.getByText("1.1", { exact: true }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("lat");
    await page.getByText("1.1", { exact: true }).waitFor({ state: "detached" });
    expect(await shown(page)).toEqual(["latest"]);
    expect(new URL(page.url()).search).toBe("?search=lat");
  });

  test("say what they are: platforms, a chart", async () => {
    const page = await browser.open(full, at("dev/many"));
    await page.getByText("linux/amd64, linux/arm64, linux/arm/v7 +1").waitFor();
    await page.goto(full.url + at("charts/shop"));
    await page.getByText("Helm chart").waitFor();
  });

  test("are compared, the later one with the one before", async () => {
    const page = await browser.open(full, at(NAME));
    await page.getByRole("checkbox", { name: "Select latest" }).check();
    await page.getByRole("checkbox", { name: "Select 1.0" }).check();
    await page.getByRole("link", { name: "Compare" }).click();
    expect(page.url()).toBe(`${full.url}/ui/images/${NAME}:latest?tab=compare&with=1.0`);
  });

  test("of 10,000 draw only what is on the screen, in less than a frame's time", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    await page.route("**/api/v1/repositories/*/*/*/tags?*", (route) => {
      const tags = Array.from({ length: 10_000 }, (_, i) => ({
        name: `build-${i}`,
        digest: `sha256:${String(i).padStart(64, "0")}`,
        media_type: `${OCI}.index.v1+json`,
        artifact_type: null,
        size: i * 1_234_567,
        platforms: ["linux/amd64", "linux/arm64"].map((platform) => ({ platform, digest: "sha256:0", size: 1 })),
        created: null,
        pushed: new Date(Date.now() - i * 3_600_000).toISOString(),
        pushed_by: "user:alice",
        pulled: null,
        scan: i % 3 ? scanned : null,
        signed: i % 2 === 0,
      }));
      return route.fulfill({ json: { name: NAME, tags } });
    });
    await page.goto(full.url + at(NAME));
    await page.getByText("build-0", { exact: true }).waitFor();
    const { frameMs, blank } = await scrolled(page);
    console.log(`a frame of scrolling tags takes ${frameMs.toFixed(2)} ms`);
    expect(blank).toBe(0);
    expect(frameMs).toBeLessThan(16);
    expect(await page.getByRole("grid").locator(".row").count()).toBeLessThan(60);
  });

  test("come by themselves when somebody pushes one", async () => {
    await own("dev/live", ["1"]);
    const page = await browser.open(full, at("dev/live"));
    await Promise.all([page.waitForResponse("**/api/v1/events?*"), page.getByText("1", { exact: true }).first().waitFor()]);
    await own("dev/live", ["pushed"]);
    await page.getByRole("link", { name: "pushed" }).waitFor();
  });
});

describe("a long list of tags", () => {
  test("is not lost when something changes, which is said", async () => {
    const name = "dev/long";
    const manifest = { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests: [] };
    await Promise.all(Array.from({ length: 130 }, (_, i) => put(name, `t${i}`, manifest)));
    const page = await browser.open(full, at(name));
    await Promise.all([page.waitForResponse("**/api/v1/events?*"), page.getByText("130 tags").waitFor()]);
    await own(name, ["newest"]);
    await page.getByText("Something has changed here.").waitFor();
    expect(await page.getByText("newest").count()).toBe(0);
    await page.getByRole("button", { name: "Show it" }).click();
    await page.getByText("newest").waitFor();
    await page.getByText("Something has changed here.").waitFor({ state: "detached" });
  });

  test("comes by name where the database sorts by nothing else", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    await page.route("**/tags?*sort=pushed*", (route) =>
      route.fulfill({ status: 400, json: { errors: [{ code: "UNSUPPORTED", message: "'sort' is name" }] } }),
    );
    await page.goto(full.url + at(NAME));
    await expect.poll(() => shown(page)).toEqual(["1.0", "1.1", "1.2", "latest"]);
  });
});

describe("deleting tags", () => {
  test("says what goes and what stays, and is undone", async () => {
    const [first] = await own("dev/gone", ["a", "b", "c"]);
    const page = await browser.open(full, at("dev/gone"));
    await page.getByRole("checkbox", { name: "Select a", exact: true }).check();
    await page.getByRole("checkbox", { name: "Select b" }).check();
    await page.getByText("2 selected").waitFor();
    await page.getByRole("button", { name: "Delete…" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete 2 tags?" });
    await dialog.getByText("They can be pulled by digest").waitFor();
    await picture(page, "repository-delete");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByText("2 tags deleted").waitFor();
    await page.getByRole("checkbox", { name: "Select a", exact: true }).waitFor({ state: "detached" });
    expect(await tagged("dev/gone", "a")).toBe(null);
    expect(await tagged("dev/gone", first!)).toBe(first);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("2 tags are back").waitFor();
    await page.getByRole("checkbox", { name: "Select a", exact: true }).waitFor();
    expect(await tagged("dev/gone", "a")).toBe(first);
  });

  test("takes the images as well where that is chosen, by keys alone, and is undone", async () => {
    const [old] = await own("dev/image", ["old", "new"]);
    await full.send("PUT", `/v2/dev/image/manifests/same`, Buffer.from(await (await full.send("GET", "/v2/dev/image/manifests/old", undefined, { Accept: "*/*" })).arrayBuffer()), {
      "Content-Type": `${OCI}.manifest.v1+json`,
    });
    const page = await browser.open(full, at("dev/image", "?sort=name"));
    await page.getByText("same").waitFor();
    for (const key of ["j", "j", "x", "d"]) await page.keyboard.press(key);
    const dialog = page.getByRole("dialog", { name: "Delete the tag old?" });
    await dialog.waitFor();
    await page.getByRole("radio", { name: "The tag alone" }).focus();
    await page.keyboard.press("ArrowDown");
    await dialog.getByText("1 more tag points to the same image").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("1 image deleted").waitFor();
    await page.getByText("same").waitFor({ state: "detached" });
    expect(await tagged("dev/image", old!)).toBe(null);
    await page.getByRole("button", { name: "Undo" }).press("Enter");
    await page.getByText("2 tags are back").waitFor();
    expect([await tagged("dev/image", "old"), await tagged("dev/image", "same")]).toEqual([old, old]);
  });

  test("tells what stays because it is not allowed; the rest goes", async () => {
    await own("dev/kept", ["a", "b"]);
    const page = await browser.open(full, at("dev/kept"));
    const errors = [{ code: "DENIED", message: `tag <b>'b'</b> is kept by a rule ${LONG}` }];
    await page.route("**/manifests/b", (route) => route.fulfill({ status: 403, json: { errors } }));
    await page.getByRole("checkbox", { name: "Select all that are loaded" }).check();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("1 tag deleted").waitFor();
    await page.getByText("tag <b>'b'</b> is kept by a rule").waitFor();
    await picture(page, "repository-kept");
    expect(await page.evaluate(() => document.querySelector(".toasts")!.getBoundingClientRect().right <= innerWidth)).toBe(true);
    expect(await flaws(page)).toBe("");
    expect([await tagged("dev/kept", "a"), await tagged("dev/kept", "b")]).toEqual([null, expect.any(String)]);
  });

  test("is undone without taking what somebody pushed meanwhile, which is named", async () => {
    const [, old] = await own("dev/race", ["a", "b"]);
    const page = await browser.open(full, at("dev/race"));
    await page.getByRole("checkbox", { name: "Select all that are loaded" }).check();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("2 tags deleted").waitFor();
    const pushed = await full.push("dev/race", "a", { env: ["newer"] });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Somebody has made a anew meanwhile").waitFor();
    await page.getByText("1 tag is back").waitFor();
    expect([await tagged("dev/race", "a"), await tagged("dev/race", "b")]).toEqual([pushed, old]);
  });

  test("waits when there were too many requests, and leaves what failed selected", async () => {
    await own("dev/busy", ["a", "b"]);
    const page = await browser.open(full, at("dev/busy"));
    let asked = 0;
    await page.route("**/dev/busy/manifests/a", (route) =>
      asked++ ? route.continue() : route.fulfill({ status: 429, headers: { "Retry-After": "1" }, json: { errors: [{ code: "TOOMANYREQUESTS", message: "slower" }] } }),
    );
    await page.route("**/dev/busy/manifests/b", (route) =>
      route.fulfill({ status: 403, json: { errors: [{ code: "DENIED", message: "a rule keeps it" }] } }),
    );
    await page.getByRole("checkbox", { name: "Select all that are loaded" }).check();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("1 tag deleted").waitFor();
    await page.getByText("b: a rule keeps it").waitFor();
    await page.getByText("1 selected").waitFor();
    expect(await page.getByRole("checkbox", { name: "Select b" }).isChecked()).toBe(true);
    expect(await tagged("dev/busy", "a")).toBe(null);
  });

  test("of a large repository goes on until all is deleted, and says nothing else before", async () => {
    const name = "dev/large";
    await own(name, ["a", "b"]);
    const page = await browser.open(full, at(name));
    const some = { name, state: "partly deleted", tags: 1, manifests: 1, blobs: 2, own_bytes: 10, shared_bytes: 0, reclaimable_bytes: 0 };
    let turn = 0;
    let last = () => {};
    await page.route(`**/api/v1/repositories/${name}`, async (route) => {
      if (route.request().method() !== "DELETE") return route.continue();
      if (++turn < 3) return route.fulfill({ status: 202, json: some });
      await new Promise<void>((go) => (last = go));
      return route.continue();
    });
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete repository" }).click();
    await page.getByRole("dialog").getByRole("textbox").fill(name);
    await page.keyboard.press("Enter");
    await page.getByText(`${name} is being deleted … 2 tags, 2 manifests`).waitFor();
    expect(await page.getByText(`${name} is deleted.`).count()).toBe(0);
    expect(new URL(page.url()).pathname).toBe(at(name));
    expect(await flaws(page)).toBe("");
    await expect.poll(() => turn).toBe(3);
    last();
    await page.getByText(`${name} is deleted.`).waitFor();
    expect(new URL(page.url()).pathname).toBe("/");
    expect(await page.getByText("is being deleted").count()).toBe(0);
    expect(await tagged(name, "a")).toBe(null);
  });

  test("of a repository tells when something of it stays", async () => {
    const name = "dev/stays";
    await own(name, ["a"]);
    const page = await browser.open(full, at(name));
    const none = { name, state: "partly deleted", tags: 0, manifests: 0, blobs: 0, own_bytes: 0, shared_bytes: 0, reclaimable_bytes: 0 };
    await page.route(`**/api/v1/repositories/${name}`, (route) =>
      route.request().method() === "DELETE" ? route.fulfill({ status: 202, json: none }) : route.continue(),
    );
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete repository" }).click();
    await page.getByRole("dialog").getByRole("textbox").fill(name);
    await page.keyboard.press("Enter");
    await page.getByText(`Not all of ${name} is deleted`).waitFor();
    expect(new URL(page.url()).pathname).toBe(at(name));
    expect(await page.getByText(`${name} is deleted.`).count()).toBe(0);
  });

  test("is not asked about another page: the way back says no", async () => {
    await own("dev/back", ["a"]);
    const page = await browser.open(full, "/?search=dev/back");
    await page.getByRole("link", { name: "dev/back" }).click();
    let looked = 0;
    page.on("request", (r) => r.method() === "DELETE" && looked++);
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete repository" }).dblclick({ delay: 1 });
    await page.getByRole("dialog").waitFor();
    expect(looked).toBe(1);
    await page.goBack();
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await tagged("dev/back", "a")).not.toBe(null);
  });

  test("of a whole repository takes its name", async () => {
    await own("dev/whole", ["a", "b"]);
    const page = await browser.open(full, at("dev/whole"));
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete repository" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete dev/whole?" });
    await dialog.getByText("2 manifests").waitFor();
    await picture(page, "repository-delete-whole");
    expect(await dialog.getByRole("button", { name: "Delete repository" }).isDisabled()).toBe(true);
    await dialog.getByRole("textbox").fill("dev/whole");
    await page.keyboard.press("Enter");
    await page.getByText("dev/whole is deleted.").waitFor();
    expect(new URL(page.url()).pathname).toBe("/");
    expect(await tagged("dev/whole", "a")).toBe(null);
  });
});

describe("the history of a tag", () => {
  test("shows where it was, and leads back there", async () => {
    const name = "dev/moved";
    const [first] = await own(name, ["1"]);
    const [second] = await own(name, ["2"]);
    for (const from of ["1", "2"]) {
      const bytes = await (await full.send("GET", `/v2/${name}/manifests/${from}`, undefined, { Accept: "*/*" })).arrayBuffer();
      await full.send("PUT", `/v2/${name}/manifests/stable`, Buffer.from(bytes), { "Content-Type": `${OCI}.manifest.v1+json` });
    }
    const page = await browser.open(full, at(name));
    await page.getByText("stable", { exact: true }).waitFor();
    for (const key of ["j", "x", "h"]) await page.keyboard.press(key);
    const dialog = page.getByRole("dialog", { name: "History of stable" });
    await dialog.getByText(second!.slice(0, 19)).waitFor();
    await picture(page, "repository-history");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Roll back to this" }).click();
    await page.getByRole("dialog", { name: "Move stable back?" }).getByRole("button", { name: "Roll back to this" }).click();
    await page.getByText("stable points to").waitFor();
    expect(await tagged(name, "stable")).toBe(first);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText(`stable points to ${second!.slice(0, 19)}`).waitFor();
    expect(await tagged(name, "stable")).toBe(second);
  });

  test("undoes no rollback of a tag that was moved again meanwhile", async () => {
    const name = "dev/again";
    const [first] = await own(name, ["1"]);
    for (const env of ["one", "two"]) await full.push(name, "stable", { env: [env] });
    const page = await browser.open(full, at(name, "?history=stable"));
    const dialog = page.getByRole("dialog", { name: "History of stable" });
    await dialog.getByRole("button", { name: "Roll back to this" }).click();
    await page.getByRole("dialog", { name: "Move stable back?" }).getByRole("button", { name: "Roll back to this" }).click();
    await page.getByText("stable points to").waitFor();
    const newest = await full.push(name, "stable", { env: ["three"] });
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("stable was moved again meanwhile").waitFor();
    expect(await tagged(name, "stable")).toBe(newest);
    expect(first).not.toBe(newest);
  });

  test("brings back a tag that nobody sees any more", async () => {
    const [digest] = await own("dev/lost", ["lost", "kept"]);
    await full.send("DELETE", "/v2/dev/lost/manifests/lost");
    const page = await browser.open(full, at("dev/lost", "?search=lost"));
    await page.getByRole("button", { name: "History of lost" }).click();
    await page.getByText("deleted").first().waitFor();
    await page.getByRole("button", { name: "Roll back to this" }).click();
    await page.getByRole("dialog", { name: "Move lost back?" }).getByRole("button", { name: "Roll back to this" }).click();
    await page.getByText("lost points to").waitFor();
    expect(await tagged("dev/lost", "lost")).toBe(digest);
  });
});

describe("what a repository says of itself", () => {
  test("is sanitised", async () => {
    const page = await browser.open(full, at(NAME, "?tab=about"));
    page.on("dialog", () => {
      throw new Error("a script ran");
    });
    await page.getByRole("heading", { name: "The shop's API" }).waitFor();
    const readme = page.locator(".markdown");
    expect(await readme.locator("script, style, img, form, input, iframe, [onerror], [style]").count()).toBe(0);
    expect(await readme.locator("a").evaluateAll((all) => all.map((one) => one.getAttribute("href")))).toEqual([
      "https://example.com/docs",
      "https://evil.example/y.png",
    ]);
    expect(await page.locator('a[href^="javascript"]').count()).toBe(0);
    await page.getByText("<img src=x onerror=alert(1)>").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  });

  test("comes from the chart where it is one", async () => {
    const page = await browser.open(full, at("charts/shop", "?tab=about"));
    await page.getByText("All of the shop").waitFor();
    await page.getByText("Ann").waitFor();
  });

  test("comes from labels where there are no annotations", async () => {
    await own("dev/labels", ["1"]);
    const config = { architecture: "amd64", os: "linux", config: { Labels: { "org.opencontainers.image.description": "By a _label_" } }, rootfs: { type: "layers", diff_ids: [] } };
    await artifact("dev/labels", "2", `${OCI}.config.v1+json`, config);
    const page = await browser.open(full, at("dev/labels", "?tab=about"));
    await page.locator(".markdown em", { hasText: "label" }).waitFor();
  });

  test("is nothing where the config is not what it should be", async () => {
    await artifact("charts/odd", "1", "application/vnd.cncf.helm.config.v1+json", null as unknown as object);
    const page = await browser.open(full, at("charts/odd", "?tab=about"));
    await page.getByText("It says nothing of itself").waitFor();
    const odd = { name: { a: 1 }, maintainers: [null, 3, { name: [] }], sources: "x", config: { Labels: ["y"] } };
    await artifact("charts/odd", "2", "application/vnd.cncf.helm.config.v1+json", odd);
    await page.reload();
    await page.getByText("Helm chart").or(page.getByText("It says nothing of itself")).first().waitFor();
  });

  test("is what one has to write, where there is nothing", async () => {
    await own("dev/silent", ["1"]);
    const page = await browser.open(full, at("dev/silent", "?tab=about"));
    await page.getByText("It says nothing of itself").waitFor();
    expect(await flaws(page)).toBe("");
  });
});

describe("how to pull", () => {
  test("is by digest where that is chosen, and of another tag", async () => {
    const page = await browser.open(full, at(NAME, "?tab=pull"));
    await page.getByRole("combobox", { name: "Tag" }).selectOption("1.0");
    await page.getByText(`podman pull --tls-verify=false ${host()}/${NAME}:1.0`).waitFor();
    await page.getByLabel("By digest").check();
    await page.getByText(`docker pull ${host()}/${NAME}@${digests[0]}`).waitFor();
    await page.reload();
    await page.getByText(`docker pull ${host()}/${NAME}@${digests[0]}`).waitFor();
  });

  test("of a chart is by Helm", async () => {
    const page = await browser.open(full, at("charts/shop", "?tab=pull"));
    await page.getByText(`helm install shop oci://${host()}/charts/shop --version 0.3.0 --plain-http`).waitFor();
    expect(await page.getByText("docker pull").count()).toBe(0);
  });
});

test("the page of a repository is German to who wants that", async () => {
  const page = await browser.open(full, at(NAME), { language: "de" });
  await page.getByRole("tab", { name: "Pullen" }).waitFor();
  await page.getByRole("columnheader", { name: "Letzter Pull" }).waitFor();
  await picture(page, "repository-german");
});

test("hostile names of platforms and types are text, and keep their place", async () => {
  const page = await browser.open(full, at("dev/hostile"));
  await page.getByRole("link", { name: "odd" }).waitFor();
  expect(await page.getByText("Artifact").getAttribute("title")).toContain("<img src=x");
  await picture(page, "repository-hostile");
  expect(await page.locator("main img").count()).toBe(0);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  expect(await flaws(page)).toBe("");
});

test("its tabs are used by keys alone", async () => {
  const page = await browser.open(full, at(NAME));
  await page.getByRole("tab", { name: "Tags" }).press("ArrowRight");
  await page.getByRole("heading", { name: "The shop's API" }).waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByText("docker pull").waitFor();
  expect(new URL(page.url()).search).toBe("?tab=pull");
});

test("repositories that are called tags, or as a history, have a page, and are deleted", async () => {
  for (const name of ["dev/shop/tags", "dev/tags/v1/history"]) {
    await own(name, ["one"]);
    const page = await browser.open(full, at(name));
    await page.getByText("1 tag", { exact: true }).waitFor();
    await page.getByRole("grid").getByText("one").waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete repository" }).click();
    const dialog = page.getByRole("dialog", { name: `Delete ${name}?` });
    await dialog.getByRole("textbox").fill(name);
    await page.keyboard.press("Enter");
    await page.getByText(`${name} is deleted.`).waitFor();
    expect(await tagged(name, "one")).toBe(null);
    await page.goto(full.url + at(name));
    await page.getByRole("heading", { name: "This is not here" }).waitFor();
  }
});

test("a repository that is not there is told calmly", async () => {
  const page = await browser.open(full, at("no/such"));
  await page.getByRole("heading", { name: "This is not here" }).waitFor();
  await picture(page, "repository-none");
  expect(await flaws(page)).toBe("");
});

test("who is signed in deletes with their session", async () => {
  const page = await browser.open(guarded, `/ui/sign-in?return=${encodeURIComponent(at("team/app"))}`);
  await page.getByLabel("User name").fill("alice");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("checkbox", { name: "Select v1" }).check();
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("1 tag deleted").waitFor();
  await page.getByText("No tags").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("checkbox", { name: "Select v1" }).waitFor();
});
