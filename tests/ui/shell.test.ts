import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chromium, flaws, looks, picture } from "./browser.ts";
import { Registry } from "./registry.ts";

const PASSWORD = "Another&Llama77";
let bobsSecret = "";
const browser = new Chromium();
const open = new Registry();
const below = new Registry({ http: { prefix: "/registry/" } });
const guarded = new Registry({ auth: { mode: "local" } });

/** RFC 6238, of now. */
function code(secret: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac("sha1", key).update(counter).digest();
  const at = hash[19]! & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

beforeAll(async () => {
  await Promise.all([browser.start(), open.start(), below.start(), guarded.start()]);
  guarded.run(["user", "add", "alice", "--admin", "--password-stdin"], PASSWORD);
  guarded.run(["user", "add", "bob", "--password-stdin"], PASSWORD);
  bobsSecret = /[?&]secret=([A-Z2-7]+)/.exec(guarded.run(["user", "totp", "bob"]))?.[1] ?? "";
});
afterEach(() => browser.close());
afterAll(() => Promise.all([browser, open, below, guarded].map((one) => one.stop())));

describe("the shell", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await browser.open(open, "/ui/nowhere", look);
      await page.getByRole("heading", { name: "No such page" }).waitFor();
      await picture(page, `not-found-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("speaks German to who does", async () => {
    const page = await browser.open(open, "/ui/nowhere", { language: "de-AT" });
    await page.getByRole("heading", { name: "Keine solche Seite" }).waitFor();
    expect(await page.getAttribute("html", "lang")).toBe("de");
  });

  test("keeps the language and the appearance that were chosen", async () => {
    const page = await browser.open(open, "/ui/nowhere");
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("menuitemradio", { name: "Dark" }).click();
    await page.getByRole("menuitemradio", { name: "Deutsch" }).click();
    await page.getByRole("heading", { name: "Keine solche Seite" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Keine solche Seite" }).waitFor();
    expect(await page.getAttribute("html", "data-theme")).toBe("dark");
  });

  test("helps with keys, and closes the help by Escape", async () => {
    const page = await browser.open(open, "/ui/nowhere");
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    await page.keyboard.press("?");
    const help = page.getByRole("dialog", { name: "Keys" });
    await help.getByText("Go to Repositories").waitFor();
    await picture(page, "keys");
    expect(await flaws(page)).toBe("");
    await page.keyboard.press("Escape");
    await help.waitFor({ state: "detached" });
  });

  test("goes by keys, and back", async () => {
    const page = await browser.open(open, "/ui/nowhere");
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    expect(await page.title()).toBe("Repositories · CyberDock");
    await page.goBack();
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/ui/nowhere");
  });

  test("opens its pages from a menu on a phone", async () => {
    const page = await browser.open(open, "/ui/nowhere", { phone: true });
    await page.getByRole("button", { name: "Menu" }).click();
    await picture(page, "menu-phone");
    await page.getByRole("navigation").getByRole("link", { name: "Repositories" }).click();
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    expect(await page.getByRole("navigation").isVisible()).toBe(false);
  });

  test("works below a prefix", async () => {
    const page = await browser.open(below, "/ui/nowhere/else");
    await page.getByRole("link", { name: "To the repositories" }).click();
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/registry/");
  });

  test("says so when the registry is away, and goes on by itself when it is back", async () => {
    const page = await browser.open(open, "/ui/nowhere");
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    await page.context().setOffline(true);
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    const notice = page.getByText("What you see may be old");
    await notice.waitFor();
    await page.context().setOffline(false);
    await notice.waitFor({ state: "detached" });
  });
});

describe("signing in", () => {
  for (const [name, look] of Object.entries(looks)) {
    test(`has no flaw that axe finds: ${name}`, async () => {
      const page = await browser.open(guarded, "/ui/sign-in", look);
      await page.getByLabel("User name").waitFor();
      await picture(page, `sign-in-${name}`);
      expect(await flaws(page)).toBe("");
    });
  }

  test("is asked for where it is needed, leads back, and ends", async () => {
    const page = await browser.open(guarded, "/?search=x");
    await page.getByLabel("User name").fill("alice");
    await page.getByLabel("Password").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("Name, password or code is wrong.").waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    expect(new URL(page.url()).search).toBe("?search=x");
    await page.getByRole("button", { name: "Account of alice" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByLabel("User name").waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  test("asks for the code of who has a second factor", async () => {
    const page = await browser.open(guarded, "/ui/sign-in");
    await page.getByLabel("User name").fill("bob");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByText("This account has a second factor.").waitFor();
    await picture(page, "sign-in-code");
    expect(await flaws(page)).toBe("");
    await page.keyboard.type(code(bobsSecret)); // the field has the focus
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Account of bob" }).waitFor();
  });

  test("never leads to another server", async () => {
    const page = await browser.open(guarded, `/ui/sign-in?return=${encodeURIComponent("//evil.example/")}`);
    await page.getByLabel("User name").fill("alice");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    expect(page.url()).toBe(`${guarded.url}/`);
  });

  test("again: who has lost the session is told, and keeps the page", async () => {
    const page = await browser.open(guarded, "/ui/sign-in");
    await page.getByLabel("User name").fill("alice");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Repositories", exact: true }).waitFor();
    await page.context().clearCookies();
    await page.keyboard.press("/");
    await page.keyboard.type("kept");
    await page.getByText("Your session has ended, alice.").waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("kept");
  });

  test("sets no cookie before", async () => {
    const page = await browser.open(guarded, "/ui/sign-in");
    await page.getByLabel("User name").waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });
});
