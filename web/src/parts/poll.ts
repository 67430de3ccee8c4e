import { useEffect, useRef } from "preact/hooks";

/** Runs again and again while `active` and somebody can see the page. */
export function usePoll(active: boolean, run: () => void, everyMs = 1000) {
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => !document.hidden && latest.current(), everyMs);
    return () => clearInterval(timer);
  }, [active, everyMs]);
}
