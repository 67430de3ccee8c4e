/** Signing in without the form, and text that must stay text; of tests of several pages. */
import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { Chromium, Looking } from "./browser.ts";
import type { Registry } from "./registry.ts";

export const PASSWORD = "Another&Llama77";

/** `Set-Cookie` of a session, once per user: hashing passwords takes time. */
const cookies = new Map<string, string>();

async function cookieOf(registry: Registry, user: string): Promise<string> {
  const key = `${registry.url} ${user}`;
  const known = cookies.get(key);
  if (known) return known;
  const answer = await fetch(`${registry.url}/api/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: user, password: PASSWORD }),
  });
  const cookie = (answer.headers.get("Set-Cookie") ?? "").split(";")[0] ?? "";
  if (!answer.ok || !cookie) throw new Error(`${user} can't sign in: ${answer.status} ${await answer.text()}`);
  cookies.set(key, cookie);
  return cookie;
}

/** A window in which somebody is signed in already. */
export async function openAs(browser: Chromium, registry: Registry, user: string, path: string, look: Looking = {}): Promise<Page> {
  const [name = "", value = ""] = (await cookieOf(registry, user)).split(/=(.*)/s);
  const page = await browser.open(registry, "/healthz", look);
  page.setDefaultTimeout(10_000); // says what it waited for, before the test is over
  await page.context().addCookies([{ name, value, url: registry.url, httpOnly: true, sameSite: "Strict" }]);
  await page.goto(registry.url + path);
  return page;
}

export const hostile = `<img src=x onerror="document.title='owned'">'"\u202Eevil\u202C&amp;</script>${"W".repeat(10_000)}`;

/** Hostile text is shown as it is, nothing of it became markup, and the page is no wider for it. */
export async function staysText(page: Page) {
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.title()).not.toBe("owned");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide).toBeLessThanOrEqual(0);
}
