import { useEffect, useState } from "preact/hooks";
import { store, useStore } from "../app/store";
import { t } from "../text/text";
import { Icon } from "./icon";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: (() => void) | undefined;
}

const toasts = store<readonly Toast[]>([]);
const SHOWN_MS = 5000;
const UNDO_MS = 12_000;
let last = 0;

/** Says for some seconds what was done; with `undo`, longer and with a button that takes it back. */
export function toast(text: string, { undo, bad = false }: { undo?: () => void; bad?: boolean } = {}) {
  toasts.set([...toasts.get().slice(-3), { id: ++last, text, bad, undo }]);
}

function drop(id: number) {
  toasts.set(toasts.get().filter((one) => one.id !== id));
}

function One({ id, text, bad, undo }: Toast) {
  const [held, hold] = useState(false);
  useEffect(() => {
    if (held) return;
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
