/* Sizes and times as people read them. */
import { language, number, t } from "../text/text";

/* Making a formatter costs much, using it little. */
function cached<T>(make: (language: string) => T): () => T {
  const made = new Map<string, T>();
  return () => {
    const code = language.get();
    const known = made.get(code);
    if (known !== undefined) return known;
    const fresh = make(code);
    made.set(code, fresh);
    return fresh;
  };
}

const digitsUpTo = [0, 1, 2].map((digits) =>
  cached((code) => new Intl.NumberFormat(code, { maximumFractionDigits: digits })),
);
const compact = cached(
  (code) => new Intl.NumberFormat(code, { notation: "compact", maximumFractionDigits: 1 }),
);
const relative = cached((code) => new Intl.RelativeTimeFormat(code, { numeric: "auto" }));
const exact = cached((code) => new Intl.DateTimeFormat(code, { dateStyle: "full", timeStyle: "long" }));

const KIB = 1024;
const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 1536 is "1.5 KiB": three digits, binary units. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= KIB;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${digitsUpTo[digits]!().format(value)}\u00a0${units[unit]}`;
}

export function bytesExact(bytes: number): string {
  return t("app.bytes", { n: bytes });
}

/** Numbers short: 12,345 is "12.3K". */
export function shortNumber(value: number): string {
  if (value < 10_000) return number(value);
  return compact().format(value);
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["minute", 60],
  ["hour", 3600],
  ["day", 86_400],
  ["week", 604_800],
  ["month", 2_629_746],
  ["year", 31_556_952],
];

/** How long ago, or until then: "3 hours ago"; less than a minute is "now", for pages look no oftener. */
export function agoText(time: Date, now: Date): string {
  const seconds = Math.round((time.getTime() - now.getTime()) / 1000);
  const size = Math.abs(seconds);
  let [unit, length] = steps[0]!;
  for (const [name, s] of steps) if (size >= s) [unit, length] = [name, s];
  return size < 60 ? relative().format(0, "second") : relative().format(Math.trunc(seconds / length), unit);
}

/** In the reader's zone, to the second. */
export function timeExact(time: Date): string {
  return exact().format(time);
}
