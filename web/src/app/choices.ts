/* What a person chose for this browser: light or dark, and the language. */
import { setLanguage } from "../text/text";
import { store } from "./store";

export type Theme = "system" | "light" | "dark";

function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden
  }
}

export function keep(key: string, value: string) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // then it lasts as long as the page
  }
}

export const theme = store<Theme>("system");

function show(value: Theme) {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
}

export function chooseTheme(value: Theme) {
  keep("theme", value);
  show(value);
  theme.set(value);
}

export function chooseLanguage(value: string) {
  keep("language", value);
  return setLanguage(value);
}

export async function startChoices() {
  const chosen = kept("theme");
  if (chosen === "light" || chosen === "dark") {
    show(chosen);
    theme.set(chosen);
  }
  await setLanguage(
    kept("language") ??
      navigator.languages.map((l) => l.slice(0, 2)).find((l) => l === "en" || l === "de") ??
      "en",
  );
}
