import { useEffect, useRef, useState } from "preact/hooks";
import { ask, nextOf, Problem } from "../../api/client";
import { patientPage } from "../../api/image";

export interface Pages<T, I> {
  first: T | null; // what the first page says beside its list
  items: readonly I[];
  problem: Problem | null;
  loading: boolean;
  done: boolean;
  more: () => void;
  reload: () => void;
}

/** A list in pages whose first may be long in coming (202). */
export function usePages<T, I>(path: string | null, pick: (page: T) => I[]): Pages<T, I> {
  const none = {
    of: null as string | null,
    first: null as T | null,
    items: [] as I[],
    next: null as string | null,
  };
  const [state, set] = useState({ ...none, problem: null as Problem | null });
  const [turn, setTurn] = useState(0);
  const [loading, setLoading] = useState(true);
  const running = useRef<AbortController | null>(null);
  const failed = (e: unknown, abort: AbortController) => {
    if (abort.signal.aborted) return;
    const problem = e instanceof Problem ? e : new Problem(200, "UNREADABLE", String(e));
    set((s) => ({ ...(s.of === path ? s : none), of: path, next: null, problem }));
  };
  const begin = () => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setLoading(true);
    return abort;
  };
  const end = (abort: AbortController) => {
    if (running.current !== abort) return;
    running.current = null;
    setLoading(false);
  };
  useEffect(() => {
    if (path === null) return;
    const abort = begin();
    patientPage<T>(path, abort.signal)
      .then(
        ({ first, next }) =>
          !abort.signal.aborted && set({ of: path, first, items: pick(first), next, problem: null }),
        (e) => failed(e, abort),
      )
      .then(() => end(abort));
    return () => {
      abort.abort();
      running.current = null;
    };
  }, [path, turn]);
  const more = () => {
    if (running.current || state.of !== path || !state.next) return;
    const abort = begin();
    ask("GET", state.next, null, { signal: abort.signal })
      .then(async (answer) => {
        const page = (await answer.json()) as T;
        const next = nextOf(answer.headers.get("Link"));
        set((s) => ({ ...s, items: [...s.items, ...pick(page)], next }));
      })
      .catch((e) => failed(e, abort))
      .then(() => end(abort));
  };
  const fresh = state.of === path;
  return {
    first: fresh ? state.first : null,
    items: fresh ? state.items : [],
    problem: fresh ? state.problem : null,
    loading: loading || !fresh,
    done: fresh && state.next === null && !loading,
    more,
    reload: () => setTurn((n) => n + 1),
  };
}
