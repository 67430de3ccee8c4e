import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../../api/client";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import type { Shown } from "./shown";

export interface PanelProps {
  shown: Shown;
}

/** A part whose code comes when it is shown first. */
export function Lazy({
  load,
  shown,
}: PanelProps & { load: () => Promise<{ default: ComponentType<PanelProps> }> }) {
  const [Part, set] = useState<ComponentType<PanelProps> | null>(null);
  const [failed, fail] = useState(false);
  useEffect(() => {
    let mine = true;
    load().then(
      (code) => mine && set(() => code.default),
      () => mine && fail(true),
    );
    return () => {
      mine = false;
    };
  }, []);
  if (failed) return <ProblemView problem={new Problem(0, "OFFLINE", "")} retry={() => location.reload()} />;
  return Part ? <Part shown={shown} /> : <Skeleton lines={5} />;
}
