import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const registry = new Registry({
  auth: { mode: "local" },
  policy: [
    { subjects: ["group:dev"], actions: ["pull", "push"], repositories: ["dev/**"] },
    { subjects: ["*"], effect: "deny", actions: ["overwrite", "delete"], repositories: ["prod/**"], tags: ["v*"] },
  ],
  pull_policy: [
    { repositories: ["sandbox/**"], mode: "off" },
    {
      repositories: ["**"],
      mode: "warn",
      severity: "high",
      fixable: true,
      grace: "14d",
      allow: [{ cve: "CVE-2024-1234", package: "openssl", reason: "not reachable", author: "alice", expires: "2036-06-30" }],
    },
  ],
});

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start()]);
  registry.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.run(["user", "add", "bob", "--group", "dev", "--password-stdin"], PASSWORD);
  registry.as("alice", PASSWORD);
  await registry.push("dev/shop", "1.0", { layers: [Buffer.from("x")] });
  await registry.send("GET", "/v2/dev/shop/manifests/1.0", undefined, { Accept: "application/vnd.oci.image.manifest.v1+json" });
  await registry.halt(); // pulls are written down once a minute, and at the end
  await registry.start();
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry].map((one) => one.stop())));

describe("the policy", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "alice", "/ui/policy", look);
      await page.getByRole("grid").getByText("group:dev").waitFor();
      await picture(page, `policy-${name}`);
      expect(await flaws(page)).toBe("");
      await page.goto(`${registry.url}/ui/policy?tab=test&subject=bob&action=push&repository=dev/shop`);
      await page.getByRole("heading", { name: "Yes: bob may push in dev/shop" }).waitFor();
      await picture(page, `policy-test-${name}`);
      expect(await flaws(page)).toBe("");
      await page.goto(`${registry.url}/ui/policy?tab=pulls`);
      await page.getByText("CVE-2024-1234").first().waitFor();
      await picture(page, `policy-pulls-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("gets a rule and loses it, with a way back, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/policy");
    await page.getByRole("grid").getByText("group:dev").waitFor();
    await page.getByRole("button", { name: "Add a rule" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Subjects").focus();
    await page.keyboard.type("robot:ci, group:qa");
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").waitFor(); // no action
    await dialog.getByLabel("delete", { exact: true }).focus();
    await page.keyboard.press("Space");
    await dialog.getByLabel("Repositories").focus();
    await page.keyboard.type("dev/**");
    await picture(page, "policy-add");
    expect(await flaws(page)).toBe("");
    await page.keyboard.press("Enter");
    const row = page.getByRole("grid").locator(".row").filter({ hasText: "robot:ci" });
    await row.waitFor();
    expect(await row.innerText()).toContain("database");
    const remove = row.getByRole("button", { name: "Remove the rule of robot:ci, group:qa: delete" });
    await remove.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("All other rules stay").waitFor();
    await picture(page, "policy-remove");
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).focus();
    await page.keyboard.press("Enter");
    await row.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await row.waitFor();
    expect(await page.getByRole("grid").getByText("fixed").count()).toBe(2);
  });

  test("says who may do something and why, with an address for the question", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/policy?tab=test");
    await page.getByRole("textbox", { name: "Who" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("bob");
    await page.getByRole("combobox", { name: "May" }).selectOption("delete");
    await page.getByLabel("Repository").fill("prod/app");
    await page.getByRole("textbox", { name: "Tag" }).fill("v1");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "No: bob may not delete in prod/app:v1" }).waitFor();
    await page.getByText("Deny", { exact: true }).waitFor();
    expect(new URL(page.url()).searchParams.get("subject")).toBe("bob");
    await page.getByRole("textbox", { name: "Tag" }).fill("not a tag!");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "No: bob may not delete in prod/app:v1" }).waitFor();
  });

  test("of pulls is tried before it is written down", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/policy?tab=pulls");
    const rules = page.getByLabel("Rules, as JSON");
    await rules.fill("[{");
    await page.getByRole("button", { name: "Simulate" }).click();
    await page.getByRole("alert").getByText("This is no JSON").waitFor();
    await rules.fill('[{"repositories": ["**"], "unscanned": "never"}]');
    await page.getByRole("button", { name: "Simulate" }).click();
    await page.getByRole("alert").getByText("unscanned").waitFor();
    await rules.fill('[{"repositories": ["**"], "unscanned": "block"}]');
    await page.getByRole("button", { name: "Simulate" }).click();
    await page.getByRole("grid").getByText("Blocked", { exact: true }).waitFor();
    await picture(page, "policy-simulated");
    expect(await flaws(page)).toBe("");
  });

  test("is German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/policy?tab=test&subject=anonymous&action=pull&repository=x", { language: "de" });
    await page.getByRole("heading", { name: "Nein: anonymous darf in x nicht pullen" }).waitFor();
    await picture(page, "policy-german");
  });

  test("shows what is foreign as text", async () => {
    const rule = { origin: "api", id: hostile, effect: hostile, subjects: [hostile], actions: [hostile], repositories: [hostile], tags: [hostile] };
    const pulls = { repositories: [hostile], mode: hostile, severity: hostile, grace: hostile, unscanned: hostile, data_max_age: hostile, allow: [{ cve: hostile, package: hostile, repositories: [hostile], reason: hostile, author: hostile, expires: hostile }] };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/policy", (route) => route.fulfill({ json: { without_rules: true, rules: [rule] } }));
    await page.route("**/api/v1/policy/test", (route) => route.fulfill({ json: { allowed: true, why: hostile, rule } }));
    await page.route("**/api/v1/pull-policy", (route) => route.fulfill({ json: { pull_policy: [pulls] } }));
    for (const tab of ["", "?tab=pulls", `?tab=test&action=pull&subject=${encodeURIComponent(hostile.slice(0, 90))}`]) {
      await page.goto(`${registry.url}/ui/policy${tab}`);
      await page.getByText("onerror").first().waitFor();
      await staysText(page);
    }
  });
});
