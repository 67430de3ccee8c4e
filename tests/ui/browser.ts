/** Chromium with eyes open: what it complains of fails the test. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Registry } from "./registry.ts";

const pictures = fileURLToPath(new URL("../../results/ui", import.meta.url));

export interface Looking {
  dark?: boolean;
  phone?: boolean;
  language?: string;
}

export const looks: Record<string, Looking> = { light: {}, dark: { dark: true }, phone: { phone: true } };

/** What the browser says of itself when an answer is no 2xx; the page deals with these. */
const expected = /Failed to load resource: (the server responded with a status of [45]|net::ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED))/;

export class Chromium {
  private browser: Browser | null = null;
  private contexts: { context: BrowserContext; complaints: string[] }[] = [];

  async start() {
    this.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
  }

  async stop() {
    await this.browser?.close();
  }

  /** A window of its own: nothing is kept from another one. */
  async open(registry: Pick<Registry, "url">, path: string, { dark = false, phone = false, language = "en" }: Looking = {}): Promise<Page> {
    const context = await this.browser!.newContext({
      viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
      hasTouch: phone,
      colorScheme: dark ? "dark" : "light",
      locale: language,
      timezoneId: "Europe/Berlin",
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(10_000); // less than a test has, so that it says what was waited for
    const complaints: string[] = [];
    this.contexts.push({ context, complaints });
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (e) =>
        console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`),
      );
    });
    const page = await context.newPage();
    page.on("pageerror", (e) => complaints.push(String(e)));
    page.on("console", (m) => {
      if (m.type() === "error" && !expected.test(m.text())) complaints.push(m.text());
    });
    await page.goto(registry.url + path);
    return page;
  }

  /** After each test: closes its windows; throws what they complained of. */
  async close() {
    const all = this.contexts.splice(0);
    await Promise.all(all.map(({ context }) => context.close()));
    const said = all.flatMap(({ complaints }) => complaints);
    if (said.length) throw new Error(`the page complained:\n${said.join("\n")}`);
  }
}

/** What axe-core finds wrong in all that is shown, as text; "" is nothing. */
export async function flaws(page: Page): Promise<string> {
  if (!(await page.evaluate("!!window.axe"))) await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const result = await axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `  ${n.html}\n  ${n.failureSummary}`).join("\n")}`);
  });
  return found.join("\n");
}

/** results/ui/NAME.png, to be looked at. */
export async function picture(page: Page, name: string) {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** Scrolls a long table: how long the page works for a frame, in ms, and how often there was no row where one should be. */
export async function scrolled(page: Page): Promise<{ frameMs: number; blank: number }> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find((m) => m.name === "TaskDuration")?.value ?? Number.NaN;
  };
  const before = await busy();
  const blank = await page.evaluate(async () => {
    let missing = 0;
    for (let i = 0; i < 40; i++) {
      scrollBy(0, 130);
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      const at = document.elementFromPoint(innerWidth - 200, innerHeight - 60);
      if (!at?.closest(".row")) missing++;
    }
    return missing;
  });
  return { frameMs: ((await busy()) - before) * (1000 / 80), blank };
}
