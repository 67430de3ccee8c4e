import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { hostile, openAs, PASSWORD, staysText } from "./people.ts";
import { Registry } from "./registry.ts";

const browser = new Chromium();
const registry = new Registry({ auth: { mode: "local" } });

beforeAll(async () => {
  await Promise.all([browser.start(), registry.start()]);
  registry.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  registry.run(["user", "add", "bob", "--group", "dev,qa", "--password-stdin"], PASSWORD);
  registry.run(["token", "create", "--robot", "ci", "--scope", "dev/**:pull,push", "--description", "build server"]);
  registry.run(["token", "create", "--user", "bob", "--expires", "never"]);
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, registry].map((one) => one.stop())));

describe("users and robots", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`have no flaw that axe finds: ${name}`, async () => {
      const page = await openAs(browser, registry, "alice", "/ui/users", look);
      await page.getByRole("grid").getByText("bob").waitFor();
      await picture(page, `users-${name}`);
      expect(await flaws(page)).toBe("");
      await page.getByRole("tab", { name: "Robots and tokens" }).click();
      await page.getByRole("grid").getByText("robot:ci").waitFor();
      await picture(page, `users-tokens-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("a user is added, changed and removed, by keys alone", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/users");
    await page.getByRole("button", { name: "Add a user" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "Name", exact: true }).focus();
    await page.keyboard.type("carol");
    await page.keyboard.press("Tab");
    await page.keyboard.type("short");
    await picture(page, "users-add");
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").getByText("password").waitFor();
    await dialog.getByLabel("Password").fill("Quartz+Nebula.51");
    await dialog.getByLabel("Groups").focus();
    await page.keyboard.type("ops");
    await page.keyboard.press("Enter");
    await page.getByText("carol is added").waitFor();
    const row = page.getByRole("grid").locator(".row").filter({ hasText: "carol" });
    await row.getByText("Enabled").waitFor();
    await page.getByRole("grid").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "carol" }).waitFor();
    expect(new URL(page.url()).searchParams.get("user")).toBe("carol");
    await picture(page, "users-edit");
    expect(await flaws(page)).toBe("");
    await dialog.getByLabel("Disabled").focus();
    await page.keyboard.press("Space");
    await dialog.getByLabel("Groups").fill("ops, dev");
    await page.keyboard.press("Enter");
    await row.getByText("Disabled").waitFor();
    expect(await row.innerText()).toContain("ops, dev");
    await row.getByRole("link").focus();
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Remove" }).focus();
    await page.keyboard.press("Enter");
    const sure = page.getByRole("dialog", { name: "Remove carol?" });
    await sure.getByText("What stays").waitFor();
    await sure.getByRole("textbox").focus();
    await page.keyboard.type("carol");
    await picture(page, "users-remove");
    await page.keyboard.press("Enter");
    await row.waitFor({ state: "detached" });
  });

  test("the last admin stays one, and is told why", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/users?user=alice");
    const dialog = page.getByRole("dialog", { name: "alice" });
    await dialog.getByLabel("Administrator").uncheck();
    expect(await dialog.getByRole("button", { name: "Remove" }).count()).toBe(0);
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").getByText("last admin").waitFor();
  });

  test("are searched by name and group, with an address", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/users?search=QA");
    await page.getByRole("grid").getByText("bob").waitFor();
    expect(await page.getByRole("grid").locator(".row").count()).toBe(1);
    await page.getByRole("searchbox").fill("nobody");
    await page.getByText("Nobody is called that").waitFor();
  });

  test("tokens are searched on all pages", async () => {
    const page = await openAs(browser, registry, "alice", "/healthz");
    const token = (owner: string, id: string) => ({ id, owner, scopes: null, description: "", created: "2026-11-01T00:00:00Z", expires: null, used: null });
    let go = () => {};
    const held = new Promise<void>((done) => (go = done));
    await page.route("**/api/v1/tokens?*", async (route) => {
      if (!route.request().url().includes("last="))
        return route.fulfill({ json: { tokens: [token("robot:ci", "1")] }, headers: { Link: '</api/v1/tokens?n=1&last=1>; rel="next"' } });
      await held;
      return route.fulfill({ json: { tokens: [token("robot:deploy", "2")] } });
    });
    await page.goto(`${registry.url}/ui/users?tab=tokens&owner=depl`);
    await page.getByRole("button", { name: "New robot token" }).waitFor();
    await page.getByRole("status", { name: "Loading" }).waitFor();
    expect(await page.getByText("No token of that owner").count()).toBe(0);
    go();
    await page.getByRole("grid").getByText("robot:deploy").waitFor();
  });

  test("a robot gets a token, shown once, and loses it", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/users?tab=tokens");
    await page.getByRole("button", { name: "New robot token" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Robot account").fill("deploy");
    await dialog.getByLabel("Scopes").fill("prod/**:pull nonsense");
    await dialog.getByRole("button", { name: "Make it" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByLabel("Scopes").fill("prod/**:pull");
    await dialog.getByLabel("Description").fill("deployer");
    await dialog.getByRole("button", { name: "Make it" }).click();
    const token = (await dialog.locator(".secret code").innerText()).trim();
    expect(token).toMatch(/^cdt_/);
    await picture(page, "users-token");
    expect(await flaws(page)).toBe("");
    const works = await fetch(`${registry.url}/v2/`, { headers: { Authorization: `Bearer ${token}` } });
    expect(works.status).toBe(200);
    await dialog.getByRole("contentinfo").or(dialog.locator("footer")).getByRole("button", { name: "Close" }).click();
    const row = page.getByRole("grid").locator(".row").filter({ hasText: "robot:deploy" });
    await row.waitFor();
    expect(await page.content()).not.toContain(token);
    await row.getByRole("button", { name: "Revoke deployer of robot:deploy" }).click();
    await page.getByRole("dialog").getByText("What stays").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await row.waitFor({ state: "detached" });
  });

  test("are German to who wants that", async () => {
    const page = await openAs(browser, registry, "alice", "/ui/users?user=bob", { language: "de" });
    await page.getByRole("dialog").getByText("Gesperrt: wird abgelehnt").waitFor();
    await picture(page, "users-german");
  });

  test("what is foreign is shown as text", async () => {
    const user = { name: hostile, admin: true, disabled: false, second_factor: true, groups: [hostile], created: hostile, changed: hostile, signed_in: hostile };
    const token = { id: hostile, owner: hostile, scopes: [hostile], description: hostile, created: hostile, expires: hostile, used: hostile };
    const page = await openAs(browser, registry, "alice", "/healthz");
    await page.route("**/api/v1/users?*", (route) => route.fulfill({ json: { users: [user] } }));
    await page.route("**/api/v1/tokens?*", (route) => route.fulfill({ json: { tokens: [token] } }));
    await page.goto(`${registry.url}/ui/users`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await staysText(page);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("onerror").first().waitFor();
    await staysText(page);
    await page.goto(`${registry.url}/ui/users?tab=tokens`);
    await page.getByRole("grid").getByText("onerror").first().waitFor();
    await page.getByRole("button", { name: "Revoke" }).first().click();
    await page.getByRole("dialog").getByText("onerror").first().waitFor();
    await staysText(page);
  });
});
