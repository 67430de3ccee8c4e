/* What others do to this repository while it is looked at. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useEvents } from "../../api/client";

const kinds = ["tag.moved", "tag.deleted", "manifest.pushed", "manifest.deleted", "scan.completed"];
const CALM_MS = 500; // a push is several events

/** Browsers have few connections for each server: who does not look holds none. */
function useLookedAt(): boolean {
  const [is, set] = useState(!document.hidden);
  useEffect(() => {
    const look = () => set(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return is;
}

/** Loads anew when something changes; where that would lose the place in a long list, says so instead. */
export function useChanges(name: string, ready: boolean, long: boolean, reload: () => void): boolean {
  const [changed, setChanged] = useState(false);
  const lookedAt = useLookedAt();
  const latest = useRef({ long, reload });
  latest.current = { long, reload };
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const soon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (latest.current.long) setChanged(true);
      else latest.current.reload();
    }, CALM_MS);
  };
  const query = new URLSearchParams({ repository: name, event: kinds.join() });
  useEvents(ready && lookedAt ? `/api/v1/events?${query}` : null, kinds, soon);
  const away = useRef(false);
  useEffect(() => {
    if (lookedAt && away.current) soon();
    away.current = !lookedAt;
  }, [lookedAt]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return changed;
}
