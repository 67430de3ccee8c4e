/* t("key", {…}): what people read, in their language. One file per language, with the same keys. */
import { store } from "../app/store";
import { en } from "./en";

export type TextKey = keyof typeof en;
export type Texts = Record<TextKey, string>;

/** Names of the languages, in themselves. */
export const languages = { en: "English", de: "Deutsch" } as const;

let texts: Texts = en;
export const language = store<string>("en");

/** Changes the language of all that is shown; what is not known is English. */
export async function setLanguage(code: string) {
  const known = code === "de" ? "de" : "en";
  texts = known === "de" ? (await import("./de")).de : en;
  if (typeof document !== "undefined") document.documentElement.lang = known;
  language.set(known);
}

/** "one tag|{n} tags": which of both, by n. */
function form(text: string, n: unknown): string {
  const bar = text.indexOf("|");
  if (bar < 0) return text;
  return n === 1 ? text.slice(0, bar) : text.slice(bar + 1);
}

export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return form(texts[key], values.n).replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value) : value;
  });
}

/* Making a formatter costs much, using it little. */
const numbers = { en: new Intl.NumberFormat("en"), de: new Intl.NumberFormat("de") };

export function number(value: number): string {
  return numbers[language.get() === "de" ? "de" : "en"].format(value);
}
