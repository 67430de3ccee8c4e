import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { Registry } from "./registry.ts";

const PASSWORD = "Another&Llama77";
const auth = { mode: "local" };
const browser = new Chromium();
const rules = new Registry({
  auth,
  gc: { schedule: "0 0 1 1 *" },
  retention: [
    { repositories: ["dev/**"], tags: ["pr-*"], keep_last: 2 },
    { repositories: ["nothing/**"], keep_last: 1 },
  ],
});
const none = new Registry({ auth });

beforeAll(async () => {
  await Promise.all([browser.start(), rules.start(), none.start()]);
  for (const one of [rules, none]) one.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  rules.as("alice", PASSWORD);
  for (const tag of ["pr-1", "pr-2", "pr-3", "pr-4", "main"]) await rules.push("dev/app", tag, { env: [tag] });
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, rules, none].map((one) => one.stop())));

async function open(registry: Registry, look = {}, query = "") {
  const page = await browser.open(registry, `/ui/sign-in?return=${encodeURIComponent(`/ui/retention${query}`)}`, look);
  await page.locator("input").first().fill("alice");
  await page.locator("input[type=password]").fill(PASSWORD);
  await page.keyboard.press("Enter");
  return page;
}

describe("retention", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await open(rules, look);
      await page.getByText("pr-1").waitFor();
      await picture(page, `retention-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("says why on phones as well", async () => {
    const page = await open(rules, { phone: true });
    await page.getByText("Policy 1: nothing keeps it").first().waitFor();
  });

  test("shows what goes, what stays and why, and what is not carried out", async () => {
    const page = await open(rules);
    await page.getByText("1 policy is not carried out").waitFor();
    await page.getByText("Policy 2").waitFor();
    await page.getByText("Policy 1: keep_last 2").first().waitFor();
    expect(await page.getByRole("grid").locator(".row").count()).toBe(4);
    await page.getByLabel("Goes").check();
    await page.getByText("pr-4").waitFor({ state: "detached" });
    expect(await page.getByRole("grid").locator(".name").allInnerTexts()).toEqual(["dev/app:pr-2", "dev/app:pr-1"]);
    expect(new URL(page.url()).search).toBe("?show=goes");
  });

  test("says what it is for where there is no policy", async () => {
    const page = await open(none);
    await page.getByText("No policy is about any tag").waitFor();
    await picture(page, "retention-empty");
    expect(await flaws(page)).toBe("");
  });

  test("is German to who wants that", async () => {
    const page = await open(rules, { language: "de" });
    await page.getByRole("heading", { name: "Aufbewahrung" }).waitFor();
    await page.getByText("1 Regel wird nicht ausgeführt").waitFor();
    await page.getByText("Regel 1: nichts behält es").first().waitFor();
    await page.getByText("Regel 1: eines der letzten 2 (keep_last)").first().waitFor();
    expect(await page.locator('.retention-told [lang="en"]').count()).toBe(1);
    await picture(page, "retention-german");
  });

  test("is not for everybody", async () => {
    rules.run(["user", "add", "bob", "--password-stdin"], PASSWORD);
    const page = await browser.open(rules, "/ui/sign-in?return=/ui/retention");
    await page.getByLabel("User name").fill("bob");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByText("You may not see this").waitFor();
    expect(await flaws(page)).toBe("");
  });

  test("deletes after it has asked once, by keys alone, and is undone", async () => {
    const page = await open(rules);
    await page.getByRole("button", { name: "Delete 2 tags…" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "Delete 2 tags by retention?" });
    await dialog.getByText("All images stay, and 2 tags").waitFor();
    await picture(page, "retention-ask");
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Delete 2 tags" }).press("Enter");
    await page.getByText("2 tags deleted").waitFor();
    await page.getByText("pr-1").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).press("Enter");
    await page.getByText("2 tags are back").waitFor();
    await page.getByText("pr-1").waitFor();
  });

  test("is undone without taking what somebody pushed meanwhile", async () => {
    const page = await open(rules, {}, "?show=goes");
    await page.getByRole("button", { name: "Delete 2 tags…" }).click();
    const gone = await page.getByRole("grid").locator(".name").allInnerTexts();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 2 tags" }).click();
    await page.getByText("2 tags deleted").waitFor();
    const tag = gone[0]!.split(":")[1]!;
    const pushed = await rules.push("dev/app", tag, { env: ["newer"] });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText(`Somebody has made dev/app:${tag} anew meanwhile`).waitFor();
    await page.getByText("1 tag is back").waitFor();
    const now = await rules.send("HEAD", `/v2/dev/app/manifests/${tag}`, undefined, { Accept: "*/*" });
    expect(now.headers.get("Docker-Content-Digest")).toBe(pushed);
  });
});
