/* Archives on their way from this browser: each goes on while other pages are looked at. */
import { csrfHeaders, offline, Problem } from "../../api/client";
import {
  giveUp,
  offsetOf,
  openUpload,
  outcomeOf,
  tusHeaders,
  type Uploaded,
  uploadPath,
} from "../../api/uploads";
import { at } from "../../app/base";
import { store } from "../../app/store";

const CHUNK = 32 * 1024 * 1024; // bytes: proxies have bounds for a body
const TRIES = 8; // in a row that brought nothing
const WAIT_MOST_MS = 30_000;
const RATE_MS = 400; // how often the rate is looked at

export type Phase = "queued" | "sending" | "waiting" | "paused" | "taking" | "done" | "failed" | "cancelled";

export interface Progress {
  phase: Phase;
  sent: number; // bytes
  rate: number | null; // bytes a second, lately
  problem: Problem | null;
  images: readonly Uploaded[];
}

/** Tried again: the network, a server that asks for patience, a chunk that is not where the upload is. */
export function passes(status: number): boolean {
  return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
}

const aborted = (e: unknown) => (e as Error).name === "AbortError";

function problemOf(xhr: XMLHttpRequest): Problem {
  let first: { code?: string; message?: string } | undefined;
  try {
    first = JSON.parse(xhr.responseText).errors[0];
  } catch {}
  const after = Number.parseInt(xhr.getResponseHeader("Retry-After") ?? "", 10);
  return new Problem(
    xhr.status,
    first?.code ?? "UNKNOWN",
    first?.message ?? xhr.statusText,
    xhr.getResponseHeader("X-Request-Id") ?? "",
    Number.isNaN(after) ? null : after,
  );
}

/** One chunk; returns where the upload is then. */
function patch(
  id: string,
  offset: number,
  chunk: Blob,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<number> {
  return new Promise((done, fail) => {
    const xhr = new XMLHttpRequest();
    xhr.open("PATCH", at(uploadPath(id)));
    const headers = {
      ...tusHeaders,
      ...csrfHeaders(),
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(offset),
    };
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (e) => onProgress(offset + e.loaded);
    xhr.onload = () =>
      xhr.status === 204
        ? done(Number(xhr.getResponseHeader("Upload-Offset") ?? offset + chunk.size))
        : fail(problemOf(xhr));
    xhr.onerror = () => fail(new Problem(0, "OFFLINE", ""));
    xhr.onabort = () => fail(new DOMException("", "AbortError"));
    signal.throwIfAborted();
    signal.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(chunk);
  });
}

/** Waits; the network being back ends it sooner. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    signal.throwIfAborted();
    const end = (run: () => void) => {
      clearTimeout(timer);
      unwatch();
      run();
    };
    const timer = setTimeout(() => end(done), ms);
    const unwatch = offline.watch((away) => !away && end(done));
    signal.addEventListener("abort", () => end(() => fail(new DOMException("", "AbortError"))), {
      once: true,
    });
  });
}

export class Transfer {
  readonly progress = store<Progress>({ phase: "queued", sent: 0, rate: null, problem: null, images: [] });
  readonly key = crypto.getRandomValues(new Uint32Array(2)).join("-");
  readonly file: File;
  readonly repository: string;
  readonly tag: string;
  id: string; // of the upload; "" before it was opened
  private running: AbortController | null = null;
  private opening: Promise<void> | null = null;
  private seen = { at: 0, sent: 0 };

  constructor(file: File, repository: string, tag: string, id = "") {
    this.file = file;
    this.repository = repository;
    this.tag = tag;
    this.id = id;
  }

  private set(change: Partial<Progress>) {
    this.progress.set({ ...this.progress.get(), ...change });
  }

  private moved(sent: number) {
    const now = performance.now();
    const passed = now - this.seen.at;
    const old = this.progress.get();
    if (passed < RATE_MS) return this.set({ sent });
    const rate = this.seen.at && sent > this.seen.sent ? ((sent - this.seen.sent) * 1000) / passed : old.rate;
    this.seen = { at: now, sent };
    this.set({ sent, rate });
  }

  /** Opens it once, also when it is paused and goes on meanwhile: the server has it then, and only its answer has the id. */
  private open(): Promise<void> {
    this.opening ??= openUpload(this.file, this.repository, this.tag)
      .then((id) => {
        this.id = id;
      })
      .finally(() => {
        this.opening = null;
      });
    return this.opening;
  }

  private async send(signal: AbortSignal) {
    let offset = 0;
    if (this.id) offset = await offsetOf(this.id, signal);
    else await this.open();
    signal.throwIfAborted();
    this.seen = { at: 0, sent: 0 };
    this.set({ phase: "sending", sent: offset, rate: null, problem: null });
    while (offset < this.file.size) {
      const chunk = this.file.slice(offset, offset + CHUNK);
      offset = await patch(this.id, offset, chunk, signal, (sent) => this.moved(sent));
      signal.throwIfAborted();
      this.moved(offset);
    }
    this.set({ phase: "taking", rate: null });
    for (let wait = 200; ; wait = Math.min(2 * wait, 2000)) {
      const outcome = await outcomeOf(this.id, signal);
      signal.throwIfAborted();
      if (outcome) return this.set({ phase: "done", images: outcome.images, sent: this.file.size });
      await pause(wait, signal);
    }
  }

  /** Begins, or goes on where it was. */
  async start() {
    if (this.running) return;
    this.running = new AbortController();
    const { signal } = this.running;
    let tries = 0;
    let best = -1;
    this.set({ phase: "sending", problem: null });
    while (!signal.aborted) {
      try {
        await this.send(signal);
        break;
      } catch (e) {
        if (signal.aborted || aborted(e)) return;
        if (!(e instanceof Problem)) throw e;
        const { sent } = this.progress.get();
        tries = sent > best ? 1 : tries + 1;
        best = Math.max(best, sent);
        if (!passes(e.status) || tries >= TRIES) {
          this.set({ phase: "failed", problem: e, rate: null });
          break;
        }
        this.set({ phase: "waiting", problem: e, rate: null });
        const wait = e.retryAfterS ? e.retryAfterS * 1000 : Math.min(500 * 2 ** tries, WAIT_MOST_MS);
        await pause(wait, signal).catch(() => {});
      }
    }
    if (this.running?.signal === signal) this.running = null;
  }

  private halt(phase: Phase) {
    this.running?.abort();
    this.running = null;
    this.set({ phase, rate: null });
  }

  pause() {
    this.halt("paused");
  }

  /** Throws the Problem that kept it from being given up; where all had come, its page says what came of it. */
  async cancel() {
    const { phase } = this.progress.get();
    this.halt("cancelled");
    await this.opening?.catch(() => {}); // it could not be opened
    if (!this.id) return;
    try {
      await giveUp(this.id);
    } catch (e) {
      if (phase === "taking" && e instanceof Problem) this.set({ phase: "failed", problem: e });
      throw e;
    }
  }
}

/** All of this page's life, the latest first. */
export const transfers = store<readonly Transfer[]>([]);

const AT_ONCE = 2;
const live = (x: Transfer) => ["sending", "waiting", "taking"].includes(x.progress.get().phase);

/** Some at once; the others wait for their turn. */
export function startNext() {
  const all = transfers.get();
  const room = AT_ONCE - all.filter(live).length;
  const next = all.filter((x) => x.progress.get().phase === "queued").reverse();
  for (const one of next.slice(0, Math.max(0, room))) one.start().finally(startNext);
}

export function addTransfer(transfer: Transfer) {
  transfers.set([transfer, ...transfers.get()]);
  startNext();
}

export function dropTransfer(transfer: Transfer) {
  transfers.set(transfers.get().filter((x) => x !== transfer));
}

/** Leaving the page would cut what is on its way. */
export function guardLeaving() {
  addEventListener("beforeunload", (e) => {
    if (transfers.get().some(live)) e.preventDefault();
  });
}
