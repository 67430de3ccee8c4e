/* "/" leads to the field that searches; where a page has none, to that of the repositories. */
import { go } from "./router";

let wanted = false;

export function focusSearch() {
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  if (field) {
    field.focus();
    field.select();
  } else {
    wanted = true;
    go("/");
  }
}

/** For a field that has just come: was it looked for? */
export function searchWanted(): boolean {
  const was = wanted;
  wanted = false;
  return was;
}
