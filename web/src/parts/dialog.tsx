import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { store, useStore } from "../app/store";
import { t } from "../text/text";
import { Icon } from "./icon";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

/** A dialog for as long as it is drawn: keeps the focus, Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const from = document.activeElement as HTMLElement | null;
    ref.current?.showModal();
    return () => from?.focus?.();
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(e) => e.target === ref.current && ref.current?.close()}
    >
      <div class="dialog">
        <header>
          <h2 id={id}>{title}</h2>
          <button
            type="button"
            class="plain"
            aria-label={t("app.close")}
            onClick={() => ref.current?.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface Question {
  title: string;
  body: ComponentChildren; // exactly what goes, and what stays
  action: string; // of the button: what is done, such as "Delete 3 tags"
  danger?: boolean;
  typed?: string; // must be typed in first, for what can't be undone
}

const open = store<(Question & { answer: (yes: boolean) => void }) | null>(null);

/** Asks once: `if (await confirm({…})) …`. */
export function confirm(question: Question): Promise<boolean> {
  return new Promise((answer) => {
    open.get()?.answer(false);
    open.set({ ...question, answer });
  });
}

function Asked({
  title,
  body,
  action,
  danger,
  typed,
  answer,
}: Question & { answer: (yes: boolean) => void }) {
  const [text, setText] = useState("");
  const done = (yes: boolean) => {
    open.set(null);
    answer(yes);
  };
  return (
    <Dialog title={title} onClose={() => done(false)}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          done(true);
        }}
      >
        <div class="dialog-body">{body}</div>
        {typed && (
          <label class="field">
            <code>{typed}</code>
            <input value={text} onInput={(e) => setText(e.currentTarget.value)} autocomplete="off" />
          </label>
        )}
        <footer>
          <button type="button" onClick={() => done(false)}>
            {t("app.cancel")}
          </button>
          <button
            type="submit"
            class={danger ? "danger" : "primary"}
            disabled={typed !== undefined && text !== typed}
          >
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Once, in the shell. */
export function Confirmations() {
  const asked = useStore(open);
  return asked && <Asked key={asked.title} {...asked} />;
}
