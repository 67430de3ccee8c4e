import { useEffect, useState } from "preact/hooks";

/** A value that many parts show: set() tells all who watch. */
export interface Store<T> {
  get(): T;
  set(next: T): void;
  watch(on: (value: T) => void): () => void;
}

export function store<T>(first: T): Store<T> {
  const watchers = new Set<(value: T) => void>();
  let value = first;
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const on of watchers) on(value);
    },
    watch(on) {
      watchers.add(on);
      return () => watchers.delete(on);
    },
  };
}

/** The value of a store, in a component: drawn anew when it changes. */
export function useStore<T>(s: Store<T>): T {
  const [value, set] = useState(s.get());
  useEffect(() => {
    set(() => s.get());
    return s.watch((next) => set(() => next));
  }, [s]);
  return value;
}
