import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const registry = new Registry({ auth: { mode: "local" } });
const open = new Registry();

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start(), open.start()]);
  registry.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  for (const name of ["bob", "carol"]) registry.run(["user", "add", name, "--group", "dev", "--password-stdin"], PASSWORD);
  registry.run(["token", "create", "--user", "bob", "--description", "laptop"]);
  registry.run(["token", "create", "--robot", "ci"]);
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry, open].map((one) => one.stop())));

describe("the account", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "bob", "/ui/account", look);
      await page.getByRole("grid").getByText("laptop").waitFor();
      await picture(page, `account-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("is reached from the menu, and shows an admin only their own tokens", async () => {
    const page = await openAs(browser, registry, "alice", "/");
    await page.getByRole("button", { name: "Account of alice" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Account" }).click();
    await page.getByRole("heading", { name: "No tokens" }).waitFor();
    expect(await page.getByText("user:alice").count()).toBeGreaterThan(0);
  });

  test("makes a token and revokes it, by keys alone", async () => {
    const page = await openAs(browser, registry, "bob", "/ui/account");
    await page.getByRole("button", { name: "New token" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Description").focus();
    await page.keyboard.type("phone");
    await picture(page, "account-token");
    await page.keyboard.press("Enter");
    await dialog.getByText("docker login").waitFor();
    expect(await dialog.locator(".secret code").innerText()).toMatch(/^cdt_/);
    await dialog.locator("footer").getByRole("button", { name: "Close" }).focus();
    await page.keyboard.press("Enter");
    const revoke = page.getByRole("button", { name: "Revoke phone of user:bob" });
    await revoke.focus();
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Revoke" }).focus();
    await page.keyboard.press("Enter");
    await revoke.waitFor({ state: "detached" });
  });

  test("a token that was made stays until it is put away: nothing else closes it", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/account");
    await page.getByRole("button", { name: "New token" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Description").fill("desk");
    await page.mouse.click(5, 5);
    expect(await dialog.getByLabel("Description").inputValue()).toBe("desk");
    let go = () => {};
    const held = new Promise<void>((done) => (go = done));
    await page.route("**/api/v1/tokens", async (route) => {
      await held;
      await route.continue();
    });
    const asked = page.waitForRequest((r) => r.method() === "POST" && r.url().endsWith("/tokens"));
    await dialog.getByRole("button", { name: "Make it" }).click();
    await asked;
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    expect(await dialog.getByRole("button", { name: "Cancel" }).isDisabled()).toBe(true);
    go();
    const code = dialog.locator(".secret code");
    await code.waitFor();
    const box = (await code.boundingBox())!;
    await page.mouse.move(box.x + 5, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(5, 5);
    await page.mouse.up();
    await page.mouse.click(5, 5);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    expect(await code.innerText()).toMatch(/^cdt_/);
    expect(await flaws(page)).toBe("");
    await dialog.getByRole("button", { name: "Close" }).click();
    await dialog.waitFor({ state: "detached" });
  });

  test("changes the password, which ends all sessions", async () => {
    const page = await openAs(browser, registry, "carol", "/ui/account");
    await page.getByRole("button", { name: "Change password" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Present password").fill("wrong");
    await dialog.getByLabel("New password", { exact: false }).first().fill("Quartz+Nebula.51");
    await dialog.getByLabel("New password again").fill("Quartz+Nebula.52");
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").getByText("The new passwords differ.").waitFor();
    await dialog.getByLabel("New password again").fill("Quartz+Nebula.51");
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").getByText("the old password is wrong").waitFor();
    await picture(page, "account-password");
    expect(await flaws(page)).toBe("");
    await dialog.getByLabel("Present password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "You are not signed in" }).waitFor();
    const basic = (password: string) => ({ Authorization: `Basic ${btoa(`carol:${password}`)}` });
    const works = await fetch(`${registry.url}/v2/`, { headers: basic("Quartz+Nebula.51") });
    expect(works.status).toBe(200);
  });

  test("ends the session", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/sign-in?return=/ui/account");
    await page.getByLabel("User name").fill("bob");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.locator("main").getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("User name").waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  test("is nobody's where nobody signs in", async () => {
    const page = await browser.open(open, "/ui/account");
    await page.getByRole("heading", { name: "Nobody has an account here" }).waitFor();
    expect(await flaws(page)).toBe("");
  });

  test("is German to who wants that", async () => {
    const page = await openAs(browser, registry, "bob", "/ui/account", { language: "de" });
    await page.getByRole("heading", { name: "Ihre Tokens" }).waitFor();
    await picture(page, "account-german");
  });

  test("shows what is foreign as text", async () => {
    const page = await openAs(browser, registry, "bob", "/healthz");
    const session = { subject: hostile, name: hostile, provider: hostile, admin: true, groups: [hostile], csrf_token: "x", expires_at: hostile, idle_timeout_s: 60 };
    await page.route("**/api/v1/session", (route) => route.fulfill({ json: session }));
    await page.route("**/api/v1/tokens?*", (route) => route.fulfill({ status: 403, json: { errors: [{ code: "DENIED", message: hostile }] } }));
    await page.goto(`${registry.url}/ui/account`);
    await page.getByText("onerror").first().waitFor();
    await staysText(page);
  });
});
