import type { Run, Sum } from "../../api/gc";
import { bytesExact, bytesText } from "../../parts/units";
import { type TextKey, t } from "../../text/text";

const states: Record<string, [TextKey, string]> = {
  waiting: ["collection.state.waiting", "state-busy"],
  running: ["collection.state.running", "state-busy"],
  done: ["collection.state.done", "state-ok"],
  stopped: ["collection.state.stopped", "state-warn"],
  failed: ["collection.state.failed", "state-bad"],
  lost: ["collection.state.lost", "state-warn"],
};

export function State({ run }: { run: Run }) {
  const [text, look] = states[run.state] ?? [null, ""];
  return <span class={`badge ${look}`}>{text ? t(text) : run.state}</span>;
}

export function kindOf(run: Run): string {
  if (run.undo) return t("collection.kind.undo");
  return t(run.dry_run ? "collection.kind.dry" : "collection.kind.delete");
}

/** "3 manifests, 5 blobs, 1.2 GiB" */
export function SumText({ sum }: { sum: Sum | undefined }) {
  if (!sum || (!sum.blobs && !sum.manifests)) return <span class="muted">{t("collection.nothing")}</span>;
  return (
    <span title={bytesExact(sum.bytes)}>
      {[
        sum.manifests && t("collection.manifests", { n: sum.manifests }),
        sum.blobs && t("collection.blobs", { n: sum.blobs }),
        bytesText(sum.bytes),
      ]
        .filter(Boolean)
        .join(", ")}
    </span>
  );
}

const reasons: Record<string, TextKey> = {
  "no manifest names it": "collection.why.unused",
  "it has no tag": "collection.why.untagged",
  "its index went": "collection.why.child",
  "what it refers to went": "collection.why.referrer",
  "the database does not know it": "collection.why.unknown",
};
const actions: Record<string, TextKey> = {
  revive: "collection.do.revive",
  condemn: "collection.do.condemn",
  delete: "collection.do.delete",
  keep: "collection.do.keep",
};

/** The registry's own words in the reader's language; what is not known stays as it is. */
export function reasonText(reason: string): string {
  return reasons[reason] ? t(reasons[reason]) : reason;
}

export function actionText(action: string | undefined): string {
  if (!action) return t("collection.do.deleted");
  return actions[action] ? t(actions[action]) : action;
}
