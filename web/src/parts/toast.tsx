import { useEffect, useState } from "preact/hooks";
import { store, useStore } from "../app/store";
import { t } from "../text/text";
import { Icon } from "./icon";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: (() => void) | undefined;
  lasting?: boolean; // stays until it is dropped
}

const toasts = store<readonly Toast[]>([]);
const SHOWN_MS = 5000;
const UNDO_MS = 12_000;
let last = 0;

/** Says for some seconds what was done; with `undo`, longer and with a button that takes it back. */
export function toast(text: string, { undo, bad = false }: { undo?: () => void; bad?: boolean } = {}) {
  const old = toasts.get();
  const lasting = old.filter((one) => one.lasting);
  const passing = old.filter((one) => !one.lasting);
  toasts.set([...lasting, ...passing.slice(-3), { id: ++last, text, bad, undo }]);
}

function drop(id: number) {
  toasts.set(toasts.get().filter((one) => one.id !== id));
}

/** Says what is being done, for as long as it is. */
export function progress(text: string): { tell: (text: string) => void; end: () => void } {
  const id = ++last;
  const put = (now: string) => {
    const others = toasts.get().filter((one) => one.id !== id);
    toasts.set([{ id, text: now, bad: false, lasting: true }, ...others]);
  };
  put(text);
  return { tell: put, end: () => drop(id) };
}

function One({ id, text, bad, undo, lasting }: Toast) {
  const [held, hold] = useState(false);
  useEffect(() => {
    if (held || lasting) return;
    const timer = setTimeout(() => drop(id), undo || bad ? UNDO_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, [held]);
  return (
    <div
      class={bad ? "toast bad" : "toast"}
      onMouseEnter={() => hold(true)}
      onMouseLeave={() => hold(false)}
      onFocusIn={() => hold(true)}
      onFocusOut={() => hold(false)}
    >
      <span>{text}</span>
      {undo && (
        <button
          type="button"
          onClick={() => {
            drop(id);
            undo();
          }}
        >
          {t("app.undo")}
        </button>
      )}
      <button type="button" class="plain" aria-label={t("app.close")} onClick={() => drop(id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}

/** Once, in the shell. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {useStore(toasts).map((one) => (
        <One key={one.id} {...one} />
      ))}
    </div>
  );
}
