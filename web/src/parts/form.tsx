/* Forms that send something: busy meanwhile, with what went wrong where it happened. */
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { t } from "../text/text";
import { Dialog } from "./dialog";
import { ProblemLine } from "./problem";

export interface Action {
  busy: boolean;
  problem: Problem | null;
  run: (what: () => Promise<unknown>) => Promise<boolean>; // true: it was done; nothing is while it is busy
}

/** Does one thing at a time, and keeps its problem. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const going = useRef(false); // at once: a second click comes before the button is drawn anew
  const run = async (what: () => Promise<unknown>) => {
    if (going.current) return false;
    going.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await what();
      return true;
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      setProblem(e);
      return false;
    } finally {
      going.current = false;
      setBusy(false);
    }
  };
  return { busy, problem, run };
}

/** The fields of a form: text("name"), all("actions"), on("admin"). */
export class Fields {
  private readonly data: FormData;
  constructor(form: HTMLFormElement) {
    this.data = new FormData(form);
  }
  text(name: string): string {
    return String(this.data.get(name) ?? "").trim();
  }
  raw(name: string): string {
    return String(this.data.get(name) ?? "");
  }
  all(name: string): string[] {
    return this.data.getAll(name).map(String);
  }
  on(name: string): boolean {
    return this.data.get(name) !== null;
  }
  /** "a, b c" is three. */
  list(name: string): string[] {
    return listOf(this.text(name));
  }
}

export function listOf(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

interface FormDialogProps {
  title: string;
  action: string;
  danger?: boolean;
  wide?: boolean;
  keep?: boolean; // what is drawn after it was done takes its place; it is not closed before
  onClose: () => void;
  onSubmit: (fields: Fields) => Promise<unknown>; // closes it, unless it throws a Problem
  children: ComponentChildren;
}

export function FormDialog({
  title,
  action,
  danger,
  wide,
  keep,
  onClose,
  onSubmit,
  children,
}: FormDialogProps) {
  const { busy, problem, run } = useAction();
  const [filled, fill] = useState(false);
  const firm = !!keep && busy; // what comes of it must be seen
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const fields = new Fields(e.currentTarget as HTMLFormElement);
    if ((await run(() => onSubmit(fields))) && !keep) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose} wide={wide ?? false} firm={firm} filled={filled}>
      <form onSubmit={submit} onInput={() => fill(true)}>
        {children}
        <ProblemLine problem={problem} />
        <footer>
          <button type="button" disabled={firm} onClick={onClose}>
            {t("app.cancel")}
          </button>
          <button type="submit" class={danger ? "danger" : "primary"} disabled={busy}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
