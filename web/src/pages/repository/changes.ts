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

export interface Changes {
  changed: boolean; // to be said; nothing was loaded
  loaded: () => void; // by somebody else: what has happened until now is shown
}

/** Loads anew when something changes; where that would lose the place in a long list, says so instead. */
export function useChanges(name: string, ready: boolean, long: boolean, reload: () => void): Changes {
  const [changed, setChanged] = useState(false);
  const lookedAt = useLookedAt();
  const latest = useRef({ long, reload });
  latest.current = { long, reload };
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const loaded = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    setChanged(false);
  };
  const soon = () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
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
  useEffect(() => loaded, [name]);
  return { changed, loaded };
}
