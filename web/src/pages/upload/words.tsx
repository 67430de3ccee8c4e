import type { Upload } from "../../api/uploads";
import { at } from "../../app/base";
import { encodePath } from "../../app/router";
import { bytesText } from "../../parts/units";
import { type TextKey, t } from "../../text/text";

const phases: Record<string, [TextKey, string]> = {
  receiving: ["upload.phase.receiving", "state-busy"],
  waiting: ["upload.phase.waiting", "state-warn"],
  unpacking: ["upload.phase.unpacking", "state-busy"],
  verifying: ["upload.phase.verifying", "state-busy"],
  storing: ["upload.phase.storing", "state-busy"],
  scanning: ["upload.phase.scanning", "state-busy"],
  done: ["upload.phase.done", "state-ok"],
  failed: ["upload.phase.failed", "state-bad"],
  cancelled: ["upload.phase.cancelled", ""],
  lost: ["upload.phase.lost", "state-bad"],
};

export function phaseText(phase: string): string {
  const known = phases[phase];
  return known ? t(known[0]) : phase;
}

export function PhaseBadge({ phase }: { phase: string }) {
  return <span class={`badge ${phases[phase]?.[1] ?? ""}`}>{phaseText(phase)}</span>;
}

export function targetText(upload: { repository?: string; tag?: string }): string {
  if (!upload.repository) return "";
  return upload.tag ? `${upload.repository}:${upload.tag}` : upload.repository;
}

/** Where it went, or is to go. */
export function placeText(upload: Upload): string {
  const asked = targetText(upload);
  const names = upload.images?.flatMap((i) =>
    i.tags.length ? i.tags.map((tag) => `${i.repository}:${tag}`) : [i.repository],
  );
  return names?.length ? names.join(", ") : asked;
}

export function ImageLink({
  repository,
  digest,
  tag,
}: {
  repository: string;
  digest: string;
  tag?: string | undefined;
}) {
  const name = tag ? `${repository}:${tag}` : `${repository}@${digest}`;
  return <a href={at(`/ui/images/${encodePath(name)}`)}>{name}</a>;
}

const MINUTE_S = 60;
const HOUR_S = 3600;

/** "40 s", "3 min", "2 h" */
export function durationText(seconds: number): string {
  if (seconds < MINUTE_S) return t("upload.seconds", { n: Math.ceil(seconds) });
  if (seconds < HOUR_S) return t("upload.minutes", { n: Math.round(seconds / MINUTE_S) });
  return t("upload.hours", { n: Math.round(seconds / HOUR_S) });
}

/** "12 MiB of 40 MiB, 3.1 MiB/s, 9 s left" */
export function progressText(sent: number, total: number | null, rate: number | null): string {
  const parts = [
    total === null ? bytesText(sent) : t("upload.of", { sent: bytesText(sent), total: bytesText(total) }),
  ];
  if (rate) parts.push(t("upload.rate", { rate: bytesText(rate) }));
  if (rate && total !== null) parts.push(t("upload.left", { time: durationText((total - sent) / rate) }));
  return parts.join(", ");
}

export function Bar({ value, max, label }: { value: number; max: number | null; label: string }) {
  return (
    <progress
      class="bar"
      aria-label={label}
      {...(max === null ? {} : { value: max ? value : 1, max: max || 1 })}
    />
  );
}
