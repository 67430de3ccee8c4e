/* Keys of one or two strokes ("/", "g r"), each with a word for the help. */
import { useEffect, useRef } from "preact/hooks";
import type { TextKey } from "../text/text";
import { store } from "./store";

export interface Key {
  keys: string; // "?", "j", "g r"
  text: TextKey;
  run: () => void;
}

export const keys = store<readonly Key[]>([]);

const PAUSE_MS = 1200;
let pending = "";
let pendingAt = 0;

function typing(target: EventTarget | null): boolean {
  const e = target as HTMLElement | null;
  return !!e?.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
}

/** The last of those that were added for these strokes, or null; it is the innermost one. */
export function find(list: readonly Key[], strokes: string): Key | null {
  return list.findLast((k) => k.keys === strokes) ?? null;
}

function onKey(e: KeyboardEvent) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || e.isComposing) return;
  if (typing(e.target) || document.querySelector("dialog[open]")) return;
  const now = Date.now();
  const both = pending && now - pendingAt < PAUSE_MS ? `${pending} ${e.key}` : "";
  const found = (both && find(keys.get(), both)) || find(keys.get(), e.key);
  pending = found ? "" : e.key;
  pendingAt = now;
  if (!found) return;
  e.preventDefault();
  found.run();
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
}

export function addKey(key: Key): () => void {
  keys.set([...keys.get(), key]);
  return () => keys.set(keys.get().filter((k) => k !== key));
}

/** A key while this component is there. */
export function useKey(strokes: string, text: TextKey, run: () => void) {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => addKey({ keys: strokes, text, run: () => latest.current() }), [strokes, text]);
}
