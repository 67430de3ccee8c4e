/* The same done to many: some at once, patient with a registry that asks for patience. */
import { Problem } from "../api/client";
import { t } from "../text/text";
import { toast } from "./toast";

const AT_ONCE = 4;
const TRIES = 8; // of one that is asked to wait
const WAIT_MOST_S = 60;
const NAMED = 4; // of those that share a reason
const REASONS = 2; // that are told

export function problemText(e: unknown): string {
  if (!(e instanceof Problem)) throw e;
  return e.message || t(e.status === 0 ? "problem.offline" : "problem.title");
}

export interface Failed<T> {
  one: T;
  why: string;
}

export interface Tried<T> {
  done: T[];
  failed: Failed<T>[];
}

/** Once more, after a while, when there were too many requests. */
async function patiently(run: () => Promise<void>): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      return await run();
    } catch (e) {
      if (!(e instanceof Problem && e.status === 429) || tried === TRIES) throw e;
      const wait = Math.min(e.retryAfterS ?? 1, WAIT_MOST_S) * 1000;
      await new Promise((again) => setTimeout(again, wait));
    }
  }
}

/** Does it to each; what fails does not keep the others. */
export async function each<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<Tried<T>> {
  const tried: Tried<T> = { done: [], failed: [] };
  const waiting = [...all];
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const mine = one;
      try {
        await patiently(() => run(mine));
        tried.done.push(mine);
      } catch (e) {
        tried.failed.push({ one: mine, why: problemText(e) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return tried;
}

/** "a, b, c, d, +3" */
export function namesText(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (more > 0 ? `, +${more}` : "");
}

/** What failed, by why. */
export function tellFailed<T>(failed: readonly Failed<T>[], nameOf: (one: T) => string) {
  const reasons = new Map<string, string[]>();
  for (const { one, why } of failed) reasons.set(why, [...(reasons.get(why) ?? []), nameOf(one)]);
  for (const [why, names] of [...reasons].slice(0, REASONS))
    toast(t("each.failed", { names: namesText(names), why }), { bad: true });
}

/** Undo of a deletion. `run` says false of what somebody has made meanwhile: that stays as it is, and is named. */
export async function bringBack<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  run: (one: T) => Promise<boolean>,
): Promise<T[]> {
  const taken: T[] = [];
  const tried = await each(all, async (one) => {
    if (!(await run(one))) taken.push(one);
  });
  const back = tried.done.filter((one) => !taken.includes(one));
  if (back.length) toast(t("delete.back", { n: back.length }));
  if (taken.length)
    toast(t("delete.taken", { n: taken.length, names: namesText(taken.map(nameOf)) }), { bad: true });
  tellFailed(tried.failed, nameOf);
  return back;
}

/** Not a second time while it is still being done. */
export function single<A extends unknown[]>(
  run: (...args: A) => Promise<void>,
): (...args: A) => Promise<void> {
  let going: Promise<void> | null = null;
  return (...args) => {
    going ??= run(...args).finally(() => {
      going = null;
    });
    return going;
  };
}
