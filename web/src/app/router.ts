/* Every state has an address: what is shown is its path, filters and sorting are its query. */
import { at, pathOf } from "./base";
import { store, useStore } from "./store";

export interface Place {
  path: string; // of the registry, without http.prefix: "/ui/users"
  query: string; // "" or "?sort=size"
}

function here(): Place {
  if (typeof location === "undefined") return { path: "/", query: "" };
  return { path: pathOf(location.pathname) ?? "/", query: location.search };
}

export const place = store<Place>(here());

/** Asked before another page is shown: false keeps this one (an upload is running, say). */
let guard: (() => boolean) | null = null;
export function setGuard(may: (() => boolean) | null) {
  guard = may;
}

export interface Going {
  replace?: boolean; // no new entry of the history
}

/** Shows a path of the registry, such as "/ui/users?sort=name". */
export function go(to: string, { replace = false }: Going = {}) {
  const target = new URL(at(to), location.href);
  const samePage = target.pathname === location.pathname;
  if (!samePage && guard && !guard()) return;
  if (target.href === location.href) replace = true;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  if (!samePage) scrollTo(0, 0);
  place.set(here());
}

/** The query with some of it changed; "" takes a parameter away. */
export function changedQuery(query: string, changes: Record<string, string>): string {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  const text = next.toString();
  return text ? `?${text}` : "";
}

export function setQuery(changes: Record<string, string>, going: Going = { replace: true }) {
  const { path, query } = place.get();
  go(path + changedQuery(query, changes), going);
}

/** A parameter of the query and how to set it; `fallback` is what none means, and is not written. */
export function useQuery(key: string, fallback = ""): [string, (value: string, going?: Going) => void] {
  const { query } = useStore(place);
  const value = new URLSearchParams(query).get(key) ?? fallback;
  return [value, (next, going) => setQuery({ [key]: next === fallback ? "" : next }, going)];
}

/** Encodes a name for a path, with its slashes left: "a/b c" is "a/b%20c". */
export function encodePath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/").replaceAll("%3A", ":").replaceAll("%40", "@");
}

/** Is that click for this page, and not for a new tab, a download or elsewhere? */
function ours(e: MouseEvent): string | null {
  const link = (e.target as Element).closest?.("a");
  if (!link || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey)
    return null;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return null;
  const path = pathOf(link.pathname);
  return path === "/" || path?.startsWith("/ui/") ? path + link.search : null;
}

/** Links are plain <a href={at("/ui/users")}>; this takes their clicks. */
export function startRouter() {
  addEventListener("popstate", () => place.set(here()));
  document.addEventListener("click", (e) => {
    const path = ours(e);
    if (path === null) return;
    e.preventDefault();
    go(path);
  });
}
