import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { place } from "../app/router";
import { store, useStore } from "../app/store";
import { t } from "../text/text";
import { Icon } from "./icon";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  firm?: boolean; // only what is in it closes it
  filled?: boolean; // something was typed: a click beside it does not close it
}

/** A dialog for as long as it is drawn: keeps the focus, Escape and a click beside it close it. */
export function Dialog({ title, onClose, children, wide, firm, filled }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const pressed = useRef(false); // beside it: who marks text in it may let go there
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
      onClose={() => (firm ? ref.current?.showModal() : onClose())}
      onCancel={(e) => firm && e.preventDefault()}
      onKeyDown={(e) => firm && e.key === "Escape" && e.preventDefault()}
      onPointerDown={(e) => {
        pressed.current = e.target === ref.current;
      }}
      onClick={(e) => {
        if (pressed.current && e.target === ref.current && !firm && !filled) ref.current?.close();
      }}
    >
      <div class="dialog">
        <header>
          <h2 id={id}>{title}</h2>
          {!firm && (
            <button
              type="button"
              class="plain"
              aria-label={t("app.close")}
              onClick={() => ref.current?.close()}
            >
              <Icon name="close" />
            </button>
          )}
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

interface Open extends Question {
  id: number;
  answer: (yes: boolean) => void;
}

const open = store<Open | null>(null);
let last = 0;

/** Asks once: `if (await confirm({…})) …`. Who leaves the page it is about says no. */
export function confirm(question: Question): Promise<boolean> {
  return new Promise((done) => {
    open.get()?.answer(false);
    const id = ++last;
    const { path } = place.get();
    const answer = (yes: boolean) => {
      unwatch();
      removeEventListener("popstate", no);
      if (open.get()?.id === id) open.set(null);
      done(yes);
    };
    const no = () => answer(false);
    const unwatch = place.watch((now) => now.path !== path && no());
    addEventListener("popstate", no);
    open.set({ ...question, id, answer });
  });
}

function Asked({ title, body, action, danger, typed, answer }: Open) {
  const [text, setText] = useState("");
  return (
    <Dialog title={title} onClose={() => answer(false)} filled={text !== ""}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          answer(true);
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
          <button type="button" onClick={() => answer(false)}>
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
  return asked && <Asked key={asked.id} {...asked} />;
}
