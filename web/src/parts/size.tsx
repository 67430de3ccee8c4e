import { bytesExact, bytesText } from "./units";

/** Bytes: "1.5 GiB", with the exact number on hover; null is a dash. */
export function Size({ bytes }: { bytes: number | null | undefined }) {
  if (bytes === null || bytes === undefined) return <span class="muted">–</span>;
  return <span title={bytesExact(bytes)}>{bytesText(bytes)}</span>;
}
