import { useRef } from "preact/hooks";
import { useQuery } from "../app/router";
import { shortNumber } from "./units";

export interface Tab {
  id: string;
  label: string;
  count?: number | undefined;
}

/** Which tab is open, by ?tab=; the first one without it. */
export function useTab(tabs: readonly Tab[]): string {
  const first = tabs[0]?.id ?? "";
  const [id] = useQuery("tab", first);
  return tabs.some((one) => one.id === id) ? id : first;
}

/** The row of tabs. What is open goes below it, in <TabPanel>. */
export function Tabs({ tabs, label }: { tabs: readonly Tab[]; label: string }) {
  const open = useTab(tabs);
  const [, set] = useQuery("tab", tabs[0]?.id);
  const list = useRef<HTMLDivElement>(null);
  const move = (e: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    e.preventDefault();
    const i = tabs.findIndex((one) => one.id === open);
    const next = (i + by + tabs.length) % tabs.length;
    set(tabs[next]!.id, { replace: true });
    (list.current?.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
      {tabs.map((one) => (
        <button
          key={one.id}
          type="button"
          role="tab"
          id={`tab-${one.id}`}
          aria-selected={one.id === open}
          aria-controls="tab-panel"
          tabIndex={one.id === open ? 0 : -1}
          onClick={() => set(one.id, { replace: false })}
        >
          {one.label}
          {one.count !== undefined && <span class="count">{shortNumber(one.count)}</span>}
        </button>
      ))}
    </div>
  );
}

export function TabPanel({ id, children }: { id: string; children: preact.ComponentChildren }) {
  return (
    <section id="tab-panel" role="tabpanel" aria-labelledby={`tab-${id}`} class="tab-panel">
      {children}
    </section>
  );
}
