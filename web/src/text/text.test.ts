import { afterEach, expect, test } from "vitest";
import { de } from "./de";
import { en } from "./en";
import { language, number, setLanguage, t } from "./text";

afterEach(() => setLanguage("en"));

test("both languages have the same keys, and the same values in each text", () => {
  expect(Object.keys(de)).toEqual(Object.keys(en));
  const values = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
  for (const [key, text] of Object.entries(en)) {
    const other = de[key as keyof typeof en];
    expect(values(other), key).toEqual(values(text));
    expect(other.split("|").length, key).toBe(text.split("|").length);
  }
});

test("German has one word for a thing: das Tag, pushen, pullen, aufräumen", () => {
  const texts = Object.entries(de).filter(([key]) => !key.startsWith("tokens.days"));
  for (const [key, text] of texts)
    expect(text, key).not.toMatch(/geschoben|[Bb]ereinig|\b(?:einen|keinen|neuen|den|jeden) Tag\b/);
});

test("a number chooses its form", () => {
  expect(t("app.bytes", { n: 1 })).toBe("1 byte");
  expect(t("app.bytes", { n: 1500 })).toBe("1,500 bytes");
  expect(t("app.bytes", { n: 0 })).toBe("0 bytes");
});

test("what is filled in is taken as it is", () => {
  expect(t("repositories.noMatch", { search: "{n}|$&<b>" })).toContain("“{n}|$&<b>”");
});

test("an unknown language is English", async () => {
  await setLanguage("fr");
  expect(language.get()).toBe("en");
});

test("numbers are those of the language", async () => {
  await setLanguage("de");
  expect(number(1234.5)).toBe("1.234,5");
  expect(t("app.cancel")).toBe("Abbrechen");
});
