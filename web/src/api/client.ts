/* All that is asked of the registry goes through here. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { at } from "../app/base";
import { store } from "../app/store";

/** Why the registry did not do what it was asked: its own words, and what to tell who runs it. */
export class Problem extends Error {
  readonly status: number; // of HTTP; 0: no answer came
  readonly code: string; // "NAME_UNKNOWN"; "OFFLINE"
  readonly requestId: string;
  readonly retryAfterS: number | null;

  constructor(
    status: number,
    code: string,
    message: string,
    requestId = "",
    retryAfterS: number | null = null,
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.retryAfterS = retryAfterS;
  }
}

/** No answer came the last time. */
export const offline = store(false);

/** Of the session, for what changes something; "" without one. */
let csrfToken = "";
export function setCsrfToken(token: string) {
  csrfToken = token;
}

/** For what is not sent by ask(): XMLHttpRequest, which tells how far a body is. */
export function csrfHeaders(): Record<string, string> {
  return csrfToken ? { "X-CSRF-Token": csrfToken } : {};
}

/** Told of each 401 but those of signing in. */
let unauthorized: () => void = () => {};
export function onUnauthorized(run: () => void) {
  unauthorized = run;
}

export async function problemOf(answer: Response): Promise<Problem> {
  const id = answer.headers.get("X-Request-Id") ?? "";
  const after = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  const body = await answer.json().catch(() => null);
  const first = body?.errors?.[0];
  return new Problem(
    answer.status,
    typeof first?.code === "string" ? first.code : "UNKNOWN",
    typeof first?.message === "string" ? first.message : answer.statusText,
    id,
    Number.isNaN(after) ? null : after,
  );
}

export interface Asking {
  signal?: AbortSignal;
  quiet?: boolean; // a 401 is no reason to sign in
  headers?: Record<string, string>;
}

/** The answer, whatever its body is. Throws Problem, and AbortError when it was aborted. */
export async function ask(
  method: string,
  path: string,
  body?: BodyInit | null,
  asking: Asking = {},
): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...asking.headers };
  if (method !== "GET" && method !== "HEAD" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  let answer: Response;
  try {
    answer = await fetch(at(path), { method, headers, body: body ?? null, signal: asking.signal ?? null });
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    offline.set(true);
    throw new Problem(0, "OFFLINE", "");
  }
  offline.set(false);
  if (answer.ok) return answer;
  if (answer.status === 401 && !asking.quiet) unauthorized();
  throw await problemOf(answer);
}

async function json<T>(answer: Response): Promise<T> {
  return (answer.status === 204 ? null : await answer.json()) as T;
}

export async function get<T>(path: string, asking?: Asking): Promise<T> {
  return json<T>(await ask("GET", path, null, asking));
}

/** Changes something; body goes as JSON. */
export async function send<T = void>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  asking: Asking = {},
): Promise<T> {
  const headers =
    body === undefined ? asking.headers : { "Content-Type": "application/json", ...asking.headers };
  const text = body === undefined ? null : JSON.stringify(body);
  return json<T>(await ask(method, path, text, headers ? { ...asking, headers } : asking));
}

/** The path of rel="next" in a Link header, or null. */
export function nextOf(link: string | null): string | null {
  const found = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(link ?? "");
  if (!found) return null;
  const url = new URL(found[1]!, "http://registry/");
  const path = url.pathname.slice(at("/").length - 1);
  return path + url.search;
}

/** Runs when the registry answers again. */
function useBack(waiting: boolean, run: () => void) {
  useEffect(() => (waiting ? offline.watch((away) => !away && run()) : undefined), [waiting]);
}

export interface Loaded<T> {
  data: T | null; // what came last, also while it is asked for anew
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
}

/** What a path answers, for as long as a component shows it; null asks for nothing. */
export function useGet<T>(path: string | null): Loaded<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; problem: Problem | null }>({
    path: null,
    data: null,
    problem: null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    get<T>(path, { signal: abort.signal }).then(
      (data) => setState({ path, data, problem: null }),
      (e) => {
        if (e instanceof Problem)
          setState((s) => ({ path, data: s.path === path ? s.data : null, problem: e }));
        else if ((e as Error).name !== "AbortError") throw e;
      },
    );
    return () => abort.abort();
  }, [path, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.path === path;
  useBack(current && state.problem?.status === 0, reload);
  return {
    data: state.data,
    problem: current ? state.problem : null,
    loading: path !== null && !current,
    reload,
  };
}

export interface Listed<T> {
  items: readonly T[];
  loading: boolean; // the first page, or the next, is on its way
  fresh: boolean; // items are of this path, not of the one before
  done: boolean; // there is no more
  problem: Problem | null;
  more: () => void; // asks for the next page; does nothing while one is on its way
  reload: () => void;
}

/** A list in pages (Link: rel="next"). What is shown stays until the first page of another path is there. */
export function useList<T>(path: string, pick: (answer: unknown) => T[]): Listed<T> {
  const first = { of: "", items: [] as T[], next: null as string | null, problem: null as Problem | null };
  const [state, setState] = useState(first);
  const [loading, setLoading] = useState(true);
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController | null>(null);

  const load = async (url: string, old: T[]) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setLoading(true);
    try {
      const answer = await ask("GET", url, null, { signal: abort.signal });
      const items = [...old, ...pick(await answer.json())];
      setState({ of: path, items, next: nextOf(answer.headers.get("Link")), problem: null });
    } catch (e) {
      if (!(e instanceof Problem)) return; // another one took its place
      setState({ of: path, items: old, next: null, problem: e });
    }
    if (running.current === abort) {
      running.current = null;
      setLoading(false);
    }
  };

  useEffect(() => {
    load(path, []);
    return () => {
      running.current?.abort();
      running.current = null;
    };
  }, [path, turn]);

  const reload = () => setTurn((n) => n + 1);
  useBack(state.of === path && state.problem?.status === 0, reload);
  return {
    items: state.items,
    loading,
    fresh: state.of === path,
    done: state.of === path && state.next === null && !loading,
    problem: state.of === path ? state.problem : null,
    more: () => {
      if (!running.current && state.of === path && state.next) load(state.next, state.items);
    },
    reload,
  };
}

/** Server-sent events while a component is there; the browser connects anew by itself. */
export function useEvents(
  path: string | null,
  kinds: readonly string[],
  on: (kind: string, data: unknown) => void,
) {
  const latest = useRef(on);
  latest.current = on;
  useEffect(() => {
    if (path === null) return;
    const source = new EventSource(at(path));
    for (const kind of kinds)
      source.addEventListener(kind, (e) => latest.current(kind, JSON.parse((e as MessageEvent).data)));
    return () => source.close();
  }, [path, kinds.join()]);
}
