import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { artifact, chart, hostile, image, index, Scanner, Signer, scanned, tar, wasm } from "./image-content.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const scanner = new Scanner();
const signer = new Signer();
const bare = new Registry();
const full = new Registry({
  scan: scanner.scan,
  signatures: [{ repositories: ["signed/**"], at: ["pull"], mode: "warn", cosign: [{ key: signer.file }] }],
});

const guarded = new Registry({ auth: { mode: "local" }, policy: [{ subjects: ["user:bob"], actions: ["pull"], repositories: ["team/**"] }] });
const PASSWORD = "Another&Llama77";

const steps = [
  { created: "2026-10-20T08:00:00Z", created_by: "/bin/sh -c #(nop) ADD file:1f2e in / " },
  { created: "2026-10-20T08:00:00Z", created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
  { created: "2026-11-01T10:00:00Z", created_by: "RUN /bin/sh -c apt-get update && apt-get install -y curl # buildkit" },
];
const config = {
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "SHOP_PORT=8080"],
  Entrypoint: ["/usr/bin/shop", "--serve"],
  Cmd: ["--port", "8080"],
  WorkingDir: "/srv",
  User: "app",
  ExposedPorts: { "8080/tcp": {} },
  Labels: { "org.opencontainers.image.source": "https://example.org/shop", maintainer: "shop@example.org" },
};
const truth = (vulnerabilities: object[]) => JSON.stringify({ os: ["debian", "12"], packages: 42, vulnerabilities });
const old = [
  { cve: "CVE-2026-1001", severity: "critical", package: "openssl", installed: "3.0.11", fixed: "3.0.15", title: "Buffer overflow when a name is checked", description: "A certificate with a name of a certain length overflows a buffer on the stack.", score: 9.8 },
  { cve: "CVE-2026-1002", severity: "high", package: "curl", installed: "7.88.1", title: "Cookies are sent to others" },
  { cve: "CVE-2026-1003", severity: "low", package: "bash", installed: "5.2" },
];
const now = [old[1]!, old[2]!, { cve: "CVE-2026-2001", severity: "medium", package: "zlib", installed: "1.2.13", fixed: "1.3.1", title: "Loops" }];
const status = (name: string, version: string) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\n\n`;

function base(vulnerabilities: object[]) {
  return tar({
    "bin/sh": "->busybox",
    "etc/os-release": 'ID=debian\nVERSION_ID=12\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "opt/big.bin": Buffer.alloc(200_000, 7),
    "planted.json": truth(vulnerabilities),
    "var/lib/apt/lists/index": "y".repeat(5000),
    "var/lib/dpkg/status": status("curl", "7.88.1") + status("openssl", "3.0.11"),
  });
}

async function fill() {
  const change = tar({ "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n", "opt/.wh.big.bin": "", "opt/keep": "", "srv/readme.txt": "Hello from the shop\n" });
  await image(full, "team/shop", "1.0", { layers: [base(old)], history: steps, config: { ...config, Cmd: ["--port", "80"] } });
  const app = await image(full, "team/shop", "1.1", { layers: [base(now), change], history: steps, config, annotations: { "org.opencontainers.image.description": "The shop" } });
  await image(full, "team/shop", "gone", { layers: [base(now), tar({ a: "b" })] });
  const parts = [];
  for (const architecture of ["amd64", "arm64"])
    parts.push({ architecture, ...(await image(full, "team/multi", "", { layers: [tar({ arch: architecture })], config, architecture })) });
  await index(full, "team/multi", "1.0", parts);
  const bom = await artifact(full, "team/shop", "sbom", {
    artifactType: "application/vnd.cyclonedx+json",
    layers: [{ type: "application/vnd.cyclonedx+json", bytes: JSON.stringify({ bomFormat: "CycloneDX", components: [{ type: "library", name: "openssl", version: "3.0.11", purl: "pkg:deb/debian/openssl@3.0.11", licenses: [{ license: { id: "Apache-2.0" } }] }, { type: "library", name: "zlib", version: "1.2.13" }] }) }],
    subject: app,
    annotations: { "org.opencontainers.image.created": "2026-11-02T00:00:00Z" },
  });
  await artifact(full, "team/shop", "", { artifactType: "application/vnd.example.note", layers: [{ type: "text/plain", bytes: "checked" }], subject: bom });
  const provenance = { _type: "https://in-toto.io/Statement/v1", predicateType: "https://slsa.dev/provenance/v1", subject: [{ name: "shop", digest: { sha256: "00" } }], predicate: { buildDefinition: { buildType: "https://example.org/make" }, runDetails: { builder: { id: "https://example.org/ci" } } } };
  const dsseEnvelope = { payloadType: "application/vnd.in-toto+json", payload: Buffer.from(JSON.stringify(provenance)).toString("base64"), signatures: [] };
  await artifact(full, "team/shop", "provenance", { artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", layers: [{ type: "application/vnd.dev.sigstore.bundle.v0.3+json", bytes: JSON.stringify({ dsseEnvelope }) }] });
  await artifact(full, "charts/web", "1.2.0", {
    config: { type: "application/vnd.cncf.helm.config.v1+json", json: { name: "web", version: "1.2.0", appVersion: "4.1", description: "A web server behind a service", apiVersion: "v2", dependencies: [{ name: "redis", version: "18.x", repository: "https://charts.example.org" }], maintainers: [{ name: "Ops", email: "ops@example.org" }] } },
    layers: [{ type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", bytes: chart({ "web/Chart.yaml": "name: web\n", "web/values.yaml": "replicas: 2\nimage:\n  tag: '4.1'\n", "web/README.md": "# web\n\nServes pages.\n", "web/charts/redis/values.yaml": "wrong: true\n" }) }],
  });
  await artifact(full, "wasm/hello", "1.0", { config: { type: "application/vnd.wasm.config.v0+json", json: { os: "wasip1" } }, layers: [{ type: "application/wasm", bytes: wasm() }] });
  await artifact(full, "models/tiny", "q4", {
    artifactType: "application/vnd.cncf.model.manifest.v1+json",
    config: { type: "application/vnd.cncf.model.config.v1+json", json: { descriptor: { name: "tiny", family: "llama", licenses: ["MIT"] }, config: { architecture: "transformer", format: "gguf", paramSize: "1b", quantization: "q4" } } },
    layers: [
      { type: "application/vnd.cncf.model.weight.v1.raw", bytes: Buffer.alloc(4096), annotations: { "org.cncf.model.filepath": "tiny.gguf" } },
      { type: "application/vnd.cncf.model.doc.v1.raw", bytes: "# Tiny\n\nA small model for tests.\n", annotations: { "org.cncf.model.filepath": "README.md" } },
    ],
  });
  const hole = { cve: hostile, severity: "high", package: hostile, installed: hostile, fixed: hostile, title: hostile, description: hostile };
  const evil = await image(full, "evil/scan", "1.0", { layers: [tar({ "planted.json": truth([hole]), "var/lib/dpkg/status": status(hostile.slice(0, 200), hostile.slice(0, 200)) })] });
  await artifact(full, "evil/scan", "", { artifactType: "application/vnd.example", layers: [{ type: "text/plain", bytes: "x" }], subject: evil, annotations: { [hostile]: hostile } });
  const signed = await image(full, "signed/app", "1.0", { layers: [tar({ a: "signed" })], config });
  await signer.sign(full, "signed/app", signed.digest);
  await image(full, "signed/app", "2.0", { layers: [tar({ a: "unsigned" })], config });
}

async function fillBare() {
  const evil = hostile;
  await image(bare, "evil/one", "1.0", {
    layers: [tar({ "<img src=x onerror=alert(1)>\"'": evil, "\u202Egnp.exe": "x", "a/b": "->../<script>" })],
    history: [{ created: evil, created_by: evil, comment: evil }],
    config: { Env: [`${evil}=${evil}`], Entrypoint: [evil], User: evil, WorkingDir: evil, Labels: { [evil]: evil }, StopSignal: evil },
    annotations: { [evil]: evil },
  });
  await artifact(bare, "evil/chart", "1.0", {
    config: { type: "application/vnd.cncf.helm.config.v1+json", json: { name: evil, version: evil, description: evil, home: "javascript:alert(1)", dependencies: [{ name: evil }], maintainers: [evil] } },
    layers: [{ type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", bytes: chart({ "web/README.md": `# ${evil}`, "web/values.yaml": evil }), annotations: { "org.opencontainers.image.title": evil } }],
    annotations: { "org.opencontainers.image.description": evil },
  });
  await artifact(bare, "evil/sbom", "1.0", {
    artifactType: "application/spdx+json",
    layers: [{ type: "application/spdx+json", bytes: JSON.stringify({ spdxVersion: "SPDX-2.3", packages: [{ name: evil, versionInfo: evil, licenseConcluded: evil, SPDXID: evil }] }) }],
  });
  await artifact(bare, "evil/model", "1.0", {
    config: { type: "application/vnd.ollama.image.model+json", json: { [evil]: evil, deep: { er: { still: { more: { yet: evil } } } } } },
    layers: [{ type: "application/vnd.ollama.image.license", bytes: evil }],
  });
  await artifact(bare, "evil/statement", "1.0", {
    artifactType: "application/vnd.in-toto+json",
    layers: [{ type: "application/vnd.in-toto+json", bytes: JSON.stringify({ predicateType: evil, subject: [{ name: evil, digest: { [evil]: evil } }], predicate: { builder: { id: evil }, [evil]: evil } }) }],
  });
  await artifact(bare, "evil/wasm", "1.0", { layers: [{ type: "application/wasm", bytes: wasm().subarray(0, 30) }], artifactType: "application/vnd.wasm" });
}

beforeAll(async () => {
  await Promise.all([browser.start(), bare.start(), full.start(), guarded.start()]);
  guarded.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  guarded.run(["user", "add", "bob", "--password-stdin"], PASSWORD);
  await image(guarded.as("alice", PASSWORD), "team/app", "1.0", { layers: [tar({ a: "b" })], config });
  await Promise.all([fill(), fillBare()]);
  await Promise.all(["1.0", "1.1"].map((tag) => scanned(full, "team/shop", tag)));
  await scanned(full, "evil/scan", "1.0");
});
afterEach(() => browser.close());
afterAll(async () => {
  await Promise.all([browser, bare, full, guarded].map((one) => one.stop()));
  scanner.stop();
  signer.stop();
});

const SHOP = "/ui/images/team/shop:1.1";

/** What each tab shows when it is there. */
const tabs: Record<string, string> = {
  overview: "SHOP_PORT",
  layers: "What would make it smaller",
  files: "etc",
  vulnerabilities: "CVE-2026-2001",
  packages: "openssl",
  signatures: "No rule here says who must sign",
  referrers: "application/vnd.cyclonedx+json",
  compare: "Compare with another image",
  history: "anonymous",
};

describe("an image", () => {
  const all = Object.entries(tabs);
  const halves = [all.slice(0, 5), all.slice(5)];
  for (const [name, look] of Object.entries(looks))
    test.each(halves)(`has no flaw that axe finds in any tab: ${name}, %s`, async (...half) => {
      const page = await browser.open(full, SHOP, look);
      for (const [tab, text] of half) {
        await page.locator(`#tab-${tab}`).click();
        await page.getByRole("tabpanel").getByText(text).first().waitFor();
        await picture(page, `image-${tab}-${name}`);
        expect(await flaws(page), tab).toBe("");
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide, tab).toBeLessThanOrEqual(0);
      }
    });

  test("asks for two things at first, and for more only when a tab is opened", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    const asked: string[] = [];
    page.on("request", (r) => /\/(v2|api)\//.test(r.url()) && asked.push(new URL(r.url()).pathname));
    for (const [path, text] of [[SHOP, "SHOP_PORT"], ["/ui/images/team/multi:1.0", "linux/arm64"]] as const) {
      asked.length = 0;
      await page.evaluate((to) => {
        history.pushState(null, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
      }, path);
      await page.getByRole("tabpanel").getByText(text).first().waitFor();
      await page.waitForLoadState("networkidle");
      expect(asked.length, asked.join("\n")).toBeLessThanOrEqual(2);
    }
    await page.getByRole("tab", { name: "Layers" }).click();
    await page.getByText("file", { exact: false }).first().waitFor();
    await expect.poll(() => asked.some((one) => one.endsWith("/analysis"))).toBe(true);
  });

  test("shows how it runs and how it was built, with the size of each step", async () => {
    const page = await browser.open(full, SHOP);
    const panel = page.getByRole("tabpanel");
    await panel.getByText("/usr/bin/shop --serve").waitFor();
    await panel.getByText("apt-get update").waitFor();
    expect(await panel.locator(".steps li").count()).toBe(3);
    expect(await panel.locator(".steps li").nth(1).innerText()).toContain("–");
    await page.getByText("Manifest", { exact: true }).click();
    await page.getByText('"schemaVersion": 2').waitFor();
  });

  test("is gone through by keys alone", async () => {
    const page = await browser.open(full, SHOP);
    await page.getByText("SHOP_PORT").waitFor();
    await page.getByRole("tab", { name: "Overview" }).focus();
    for (let i = 0; i < 2; i++) await page.keyboard.press("ArrowRight");
    await page.getByRole("grid", { name: "Files" }).waitFor();
    for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
    await page.getByRole("grid", { name: "Files" }).getByText("passwd").waitFor();
    expect(new URL(page.url()).searchParams.get("path")).toBe("/etc");
    for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
    await page.getByRole("dialog").getByText("app:x:1000").waitFor();
    await page.keyboard.press("Escape");
    await page.goBack();
    await page.getByRole("grid", { name: "Files" }).getByText("srv").waitFor();
  });

  test("is German to who wants that", async () => {
    const page = await browser.open(full, SHOP, { language: "de" });
    const shown = { Überblick: "Arbeitsverzeichnis", Layer: "löscht 195 KiB, die Layer 0 mitbrachte", Schwachstellen: "Nur behebbare", "Verlauf des Tags": "Zeigt auf" };
    for (const [name, text] of Object.entries(shown)) {
      await page.getByRole("tab", { name }).click();
      await page.getByRole("tabpanel").getByText(text).waitFor();
      await picture(page, `image-german-${name.split(" ")[0]}`);
    }
  });

  test("says so when it is not here, and what an image is called", async () => {
    const page = await browser.open(full, "/ui/images/team/shop:nothing");
    await page.getByRole("heading", { name: "This is not here" }).waitFor();
    await page.goto(`${full.url}/ui/images/team/shop`);
    await page.getByRole("link", { name: "team/shop:latest" }).waitFor();
    expect(await flaws(page)).toBe("");
  });
});

describe("an index", () => {
  test("shows its platforms, and opens one", async () => {
    const page = await browser.open(full, "/ui/images/team/multi:1.0");
    await page.getByText("Last push").waitFor();
    await picture(page, "image-index");
    expect(await flaws(page)).toBe("");
    await page.getByRole("grid", { name: "Platforms" }).getByText("linux/arm64").click();
    await page.getByRole("tabpanel").getByText("SHOP_PORT").waitFor();
    expect(new URL(page.url()).search).toBe("?platform=linux%2Farm64&tab=configuration");
    expect(await page.getByRole("combobox", { name: "Platform" }).inputValue()).toBe("linux/arm64");
    await page.getByRole("tab", { name: "Files" }).click();
    await page.getByText("arch").click();
    await page.getByRole("dialog").getByText("arm64").waitFor();
  });

  test("is offered as a file with all its platforms, or one", async () => {
    const page = await browser.open(full, "/ui/images/team/multi:1.0");
    await page.getByRole("button", { name: "Download" }).click();
    expect(await flaws(page)).toBe("");
    const coming = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: "All platforms" }).click();
    expect((await coming).suggestedFilename()).toMatch(/\.tar$/);
    expect(await page.getByRole("menuitem", { name: "linux/amd64 for docker" }).getAttribute("href")).toBe("/api/v1/archive/team/multi:1.0?platform=linux%2Famd64");
  });
});

describe("vulnerabilities", () => {
  test("are filtered by severity and by what can be fixed, with an address", async () => {
    const page = await browser.open(full, `${SHOP}?tab=vulnerabilities`);
    const list = page.getByRole("grid", { name: "Vulnerabilities" });
    await list.getByText("CVE-2026-1003").waitFor();
    await page.getByRole("button", { name: "High" }).click();
    await list.getByText("CVE-2026-1003").waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.get("severity")).toBe("high");
    await page.getByRole("button", { name: "Fixable only" }).click();
    await page.getByText("Nothing of this kind was found.").waitFor();
    await page.getByRole("button", { name: "High" }).click();
    await list.getByText("CVE-2026-2001").click();
    await page.getByRole("dialog").getByText("1.3.1").waitFor();
    await picture(page, "image-finding");
    expect(await flaws(page)).toBe("");
  });

  test("are compared with those of the tag before", async () => {
    const page = await browser.open(full, `${SHOP}?tab=vulnerabilities&since=1.0`);
    await page.getByText("1 new, 1 gone, 2 in both.").waitFor();
    await page.getByRole("grid", { name: "Gone" }).getByText("CVE-2026-1001").waitFor();
    await picture(page, "image-since");
    expect(await flaws(page)).toBe("");
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByRole("grid", { name: "Vulnerabilities" }).waitFor();
    await page.getByRole("button", { name: "What changed since the last tag" }).click();
    await page.getByText("in both.").or(page.getByText("The same findings")).waitFor();
  });

  test("are looked for again by a button, and saved as SARIF", async () => {
    const page = await browser.open(full, `${SHOP}?tab=vulnerabilities`);
    const coming = page.waitForEvent("download");
    await page.getByRole("button", { name: "SARIF" }).click();
    expect((await coming).suggestedFilename()).toBe("shop.sarif.json");
    const answer = page.waitForResponse((r) => r.request().method() === "POST");
    await page.getByRole("button", { name: "Scan again" }).click();
    expect((await answer).ok()).toBe(true);
    await page.getByText("CVE-2026-2001").waitFor();
  });

  test("are asked for once, and once more after a failure", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    let asked = 0;
    let go = () => {};
    await page.route("**/scan?force=true", async (route) => {
      asked++;
      await new Promise<void>((done) => (go = done));
      await route.fulfill({ status: 503, json: { errors: [{ code: "UNAVAILABLE", message: "the queue is full" }] } });
    });
    await page.goto(`${full.url}${SHOP}?tab=vulnerabilities`);
    const again = page.getByRole("button", { name: "Scan again" });
    await again.click();
    await expect.poll(() => again.isDisabled()).toBe(true);
    await expect.poll(() => asked).toBe(1);
    go();
    await page.getByRole("alert").getByText("the queue is full").waitFor();
    await again.click();
    await expect.poll(() => asked).toBe(2);
    go();
  });

  test("are not said to be none where a scan passed over things, or the last one failed", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    const none = { critical: 0, high: 0, medium: 0, low: 0, unknown: 0 };
    await page.route("**/manifests/1.1/scan*", async (route) => {
      const answer = await route.fetch();
      const json = await answer.json();
      Object.assign(json, { vulnerabilities: none, fixable: none, details: [], total: 0, partial: true, note: "packages of plan9 are not known", failure: { reason: "the scanner was killed" } });
      await route.fulfill({ response: answer, json });
    });
    await page.goto(`${full.url}${SHOP}?tab=vulnerabilities`);
    await page.getByRole("heading", { name: "Nothing was found in what was looked at" }).waitFor();
    await page.getByText("packages of plan9 are not known").waitFor();
    await page.getByText("The last scan failed").waitFor();
    await page.getByText("the scanner was killed").waitFor();
    expect(await page.getByText("The scanner knows no vulnerability").count()).toBe(0);
    await picture(page, "image-scan-partial");
    expect(await flaws(page)).toBe("");
  });

  test("are not known where nothing scans, and the page says what to do", async () => {
    const page = await browser.open(bare, "/ui/images/evil/one:1.0?tab=vulnerabilities");
    await page.getByText("This registry scans nothing").waitFor();
    await page.getByText("docs/scan.md").waitFor();
    await picture(page, "image-no-scan");
    expect(await flaws(page)).toBe("");
  });
});

describe("signatures", () => {
  test("have a verdict by the rule", async () => {
    const page = await browser.open(full, "/ui/images/signed/app:1.0?tab=signatures");
    await page.getByText("Signed as the rule wants").waitFor();
    await page.getByText("Good", { exact: true }).waitFor();
    await picture(page, "image-signed");
    expect(await flaws(page)).toBe("");
  });

  test("are missing, and it says why", async () => {
    const page = await browser.open(full, "/ui/images/signed/app:2.0?tab=signatures");
    await page.getByText("Not signed as the rule wants").waitFor();
    await page.getByText("there is no signature of it").waitFor();
    await picture(page, "image-unsigned");
  });
});

describe("what stands in it and beside it", () => {
  test("referrers are a tree", async () => {
    const page = await browser.open(full, `${SHOP}?tab=referrers`);
    await page.getByRole("button", { name: "What refers to" }).click();
    await page.getByText("application/vnd.example.note").waitFor();
    await picture(page, "image-tree");
    expect(await flaws(page)).toBe("");
  });

  test("two images are compared: files, settings, packages", async () => {
    const page = await browser.open(full, `${SHOP}?tab=compare`);
    await page.getByRole("combobox", { name: "Compare with" }).fill("1.0");
    await page.keyboard.press("Enter");
    const files = page.getByRole("grid", { name: "Files" });
    await files.getByText("/srv/readme.txt").waitFor();
    await page.getByText("Cmd", { exact: true }).waitFor();
    await picture(page, "image-compare-two");
    expect(await flaws(page)).toBe("");
    expect(new URL(page.url()).searchParams.get("with")).toBe("1.0");
  });

  test("files and folders whose names are no UTF-8 are opened as well", async () => {
    await image(bare, "team/bytes", "1.0", { layers: [tar({ "caf\xe9/na\xefve.txt": "found by its bytes\n" }, "latin1")] });
    const page = await browser.open(bare, "/ui/images/team/bytes:1.0?tab=files");
    const files = page.getByRole("grid", { name: "Files" });
    await files.getByText("caf").click();
    await files.getByText("ve.txt").click();
    await page.getByRole("dialog").getByText("found by its bytes").waitFor();
    await page.keyboard.press("Escape");
    await page.reload();
    await files.getByText("ve.txt").waitFor();
    await page.getByRole("link", { name: "caf" }).waitFor();
  });

  test("a layer alone shows what it deletes", async () => {
    const page = await browser.open(full, `${SHOP}?tab=files&layer=1&path=/opt`);
    await page.getByText("deletes this of the layers below").waitFor();
    await page.getByRole("combobox", { name: "Layer" }).selectOption("");
    await page.getByText("As a container sees it").first().waitFor({ state: "attached" });
    await page.getByRole("grid", { name: "Files" }).getByText("planted.json").waitFor();
    await picture(page, "image-files-all");
  });
});

describe("artifacts", () => {
  const known: Record<string, string[]> = {
    "charts/web:1.2.0": ["A web server behind a service", "replicas: 2", "Serves pages.", "redis · 18.x"],
    "wasm/hello:1.0": ["wasi_snapshot_preview1.proc_exit", "_start"],
    "models/tiny:q4": ["transformer", "A small model for tests."],
    "team/shop:provenance": ["https://example.org/ci", "https://slsa.dev/provenance/v1"],
    "team/shop:sbom": ["Apache-2.0", "zlib"],
  };
  test("are shown as what they are", async () => {
    const page = await browser.open(full, "/ui/nowhere");
    for (const [name, texts] of Object.entries(known)) {
      await page.goto(`${full.url}/ui/images/${name}`);
      for (const text of texts) await page.getByRole("tabpanel").getByText(text).first().waitFor();
      await picture(page, `image-${name.replace(/\W/g, "-")}`);
      expect(await flaws(page), name).toBe("");
      expect(await page.getByText("wrong: true").count()).toBe(0);
    }
  });
});

describe("deleting", () => {
  const choose = async (page: Page, what: string) => {
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("menuitem", { name: what }).click();
    return page.getByRole("dialog");
  };

  test("a tag says what goes and what stays, and is undone", async () => {
    const page = await browser.open(full, "/ui/images/team/shop:gone");
    const dialog = await choose(page, "Delete tag gone");
    await dialog.getByText("until it is collected").waitFor();
    await picture(page, "image-delete-tag");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Delete tag" }).click();
    await page.waitForURL("**/ui/repositories/team/shop");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForURL("**/ui/images/team/shop:gone");
    await page.getByRole("tab", { name: "Overview" }).waitFor();
  });

  test("an image names its tags, and is undone", async () => {
    const page = await browser.open(full, "/ui/images/team/shop:gone");
    const dialog = await choose(page, "Delete image");
    await dialog.getByText("1 tag goes with it").waitFor();
    await picture(page, "image-delete");
    await dialog.getByRole("button", { name: "Delete image" }).click();
    await page.waitForURL("**/ui/repositories/team/shop");
    const gone = await fetch(`${full.url}/v2/team/shop/manifests/gone`);
    expect(gone.status).toBe(404);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForURL("**/ui/images/team/shop@sha256:*");
    expect((await fetch(`${full.url}/v2/team/shop/manifests/gone`)).status).toBe(200);
  });

  test("is undone without taking what somebody pushed meanwhile", async () => {
    const old = await image(full, "team/race", "v1", { layers: [tar({ a: "old" })] });
    await image(full, "team/race", "v2", { layers: [tar({ a: "old" })] });
    const page = await browser.open(full, "/ui/images/team/race:v1");
    const digestNow = async (tag: string) =>
      (await full.send("HEAD", `/v2/team/race/manifests/${tag}`, undefined, { Accept: "*/*" })).headers.get("Docker-Content-Digest");
    const dialog = await choose(page, "Delete tag v1");
    await dialog.getByRole("button", { name: "Delete tag" }).click();
    await page.getByText("Tag v1 was deleted").waitFor();
    const newer = await image(full, "team/race", "v1", { layers: [tar({ a: "newer" })] });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Somebody has made v1 anew meanwhile").waitFor();
    expect(await digestNow("v1")).toBe(newer.digest);
    await image(full, "team/race", "v1", { layers: [tar({ a: "old" })] });
    await page.goto(`${full.url}/ui/images/team/race:v2`);
    await choose(page, "Delete image");
    await dialog.getByText("2 tags go with it").waitFor();
    await dialog.getByRole("button", { name: "Delete image" }).click();
    await page.getByText("The image was deleted").waitFor();
    await image(full, "team/race", "v1", { layers: [tar({ a: "newer" })] });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Somebody has made v1 anew meanwhile").waitFor();
    await page.getByText("1 tag is back").waitFor();
    expect([await digestNow("v1"), await digestNow("v2")]).toEqual([newer.digest, old.digest]);
  });

  test("is given up by Escape", async () => {
    const page = await browser.open(full, "/ui/images/team/shop:gone");
    const dialog = await choose(page, "Delete tag gone");
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect((await fetch(`${full.url}/v2/team/shop/manifests/gone`)).status).toBe(200);
  });
});

describe("who may only pull", () => {
  test("sees all but who pushed, and is told when deleting is not allowed", async () => {
    const page = await browser.open(guarded, "/ui/images/team/app:1.0?tab=history");
    await page.getByLabel("User name").fill("bob");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByText("not shown to you").waitFor();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("menuitem", { name: "Delete tag" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete tag" }).click();
    await page.getByRole("status").getByText("may not").or(page.getByRole("status").getByText("denied")).first().waitFor();
    await page.getByRole("tab", { name: "Files" }).click();
    await page.getByRole("grid", { name: "Files" }).getByText("a", { exact: true }).waitFor();
  });
});

describe("what is pushed too large", () => {
  const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`key-${i}`, "value"]));

  test("is not loaded: a config", async () => {
    const large = Buffer.alloc(5 * 1024 * 1024, " ");
    large.write("{}");
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...(await bare.blob("evil/config", large)) };
    const type = "application/vnd.oci.image.manifest.v1+json";
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] });
    await bare.send("PUT", "/v2/evil/config/manifests/1.0", manifest, { "Content-Type": type });
    const page = await browser.open(bare, "/ui/nowhere");
    const asked: string[] = [];
    page.on("request", (r) => asked.push(r.url()));
    await page.goto(`${bare.url}/ui/images/evil/config:1.0`);
    await page.getByText("too large to be shown here").waitFor();
    expect(asked.filter((one) => one.includes("/blobs/"))).toEqual([]);
    expect(await flaws(page)).toBe("");
  });

  test("is drawn in parts: labels, a model's parameters", async () => {
    await image(bare, "evil/labels", "1.0", { layers: [tar({ a: "b" })], config: { Labels: many(2000) } });
    const page = await browser.open(bare, "/ui/images/evil/labels:1.0");
    await page.getByText("key-199", { exact: true }).waitFor();
    expect(await page.locator(".pairs > div").count()).toBe(200);
    await page.getByRole("button", { name: "Show 1,000 more of 1,800" }).click();
    await page.getByText("key-1199", { exact: true }).waitFor();
    await artifact(bare, "evil/params", "1.0", { config: { type: "application/vnd.ollama.image.model+json", json: many(2000) }, layers: [] });
    await page.goto(`${bare.url}/ui/images/evil/params:1.0`);
    await page.getByRole("button", { name: "Show 1,000 more of 1,800" }).waitFor();
    expect(await page.locator(".facts dt").count()).toBeLessThan(220);
  });

  test("is cut: a README", async () => {
    const readme = `# Long\n\n${"word ".repeat(60_000)}\n\nthe end`;
    await artifact(bare, "evil/readme", "1.0", {
      config: { type: "application/vnd.cncf.helm.config.v1+json", json: { name: "long" } },
      layers: [{ type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", bytes: chart({ "long/README.md": readme }) }],
    });
    const page = await browser.open(bare, "/ui/images/evil/readme:1.0");
    await page.getByText("only its beginning is shown").waitFor();
    await page.getByRole("heading", { name: "Long" }).waitFor();
    expect(await page.getByText("the end").count()).toBe(0);
  });
});

test("a tab whose request failed says so, and tries again", async () => {
  const page = await browser.open(full, "/ui/nowhere");
  const failure = { status: 503, headers: { "X-Request-Id": "0123456789abcdef" }, json: { errors: [{ code: "UNAVAILABLE", message: "not now" }] } };
  await page.route("**/analysis", (route) => route.fulfill(failure), { times: 1 });
  await page.goto(`${full.url}${SHOP}?tab=layers`);
  await page.getByText("not now").waitFor();
  await page.getByText("0123456789abcdef").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("What would make it smaller").waitFor();
});

describe("hostile text", () => {
  const pages: [string, string][] = [
    ["evil/scan:1.0?tab=vulnerabilities", "onerror"],
    ["evil/scan:1.0?tab=packages", "onerror"],
    ["evil/scan:1.0?tab=referrers", "vnd.example"],
    ["evil/scan:1.0?tab=compare&with=<img src=x onerror=alert(1)>", "not"],
    ["evil/one:1.0", "LABELS"],
    ["evil/one:1.0?tab=layers", "Transferred"],
    ["evil/one:1.0?tab=files", "U.202E"],
    ["evil/one:1.0?tab=files&path=/a", "<script>"],
    ["evil/chart:1.0", "README"],
    ["evil/sbom:1.0", "onerror"],
    ["evil/model:1.0", "onerror"],
    ["evil/statement:1.0", "onerror"],
    ["evil/wasm:1.0", "cut"],
  ];
  for (const [path, text] of pages) {
    test(`stays text: ${path}`, async () => {
      const page = await browser.open(path.startsWith("evil/scan") ? full : bare, `/ui/images/${path}`);
      await page.getByRole("tabpanel").getByText(new RegExp(text, "i")).first().waitFor();
      const turn = page.locator('.turn[aria-expanded="false"], .row').first();
      if (await turn.count()) await turn.click();
      expect(await page.title(), path).not.toContain("owned");
      expect(await page.locator("img, script:not([src])").count(), path).toBe(0);
      expect(await page.locator('a[href^="javascript:"]').count(), path).toBe(0);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wide, path).toBeLessThanOrEqual(0);
      await picture(page, `image-hostile-${path.replace(/\W+/g, "-")}`);
    });
  }
});
