import { useEffect, useState } from "preact/hooks";
import { t } from "../text/text";
import { agoText, timeExact } from "./units";

/* One clock for all: each minute. */
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function useMinutes() {
  const [, turn] = useState(0);
  useEffect(() => {
    const run = () => turn((n) => n + 1);
    watchers.add(run);
    timer ??= setInterval(() => {
      for (const w of watchers) w();
    }, 60_000);
    return () => {
      watchers.delete(run);
      if (watchers.size) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, []);
}

/** A time of the API: "3 hours ago", with the exact one on hover; null is `never`. */
export function When({ time, never }: { time: string | null | undefined; never?: string }) {
  useMinutes();
  if (!time) return <span class="muted">{never ?? t("app.never")}</span>;
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return <span>{time}</span>;
  return (
    <time dateTime={time} title={timeExact(date)}>
      {agoText(date, new Date())}
    </time>
  );
}
