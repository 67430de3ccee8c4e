/* All runs, the latest first, and asking for one. */
import { useEffect, useState } from "preact/hooks";
import { useList } from "../../api/client";
import { begin, isGoing, type Order, type Run, runsPath } from "../../api/gc";
import { at } from "../../app/base";
import { go } from "../../app/router";
import { Empty } from "../../parts/empty";
import { FormDialog } from "../../parts/form";
import { usePoll } from "../../parts/poll";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import { kindOf, State, SumText } from "./words";

const pageOf = (id: string) => `/ui/collection?run=${encodeURIComponent(id)}`;

function columns(): Column<Run>[] {
  return [
    {
      id: "started",
      title: t("collection.started"),
      cell: (r) => (
        <a class="name" href={at(pageOf(r.id))}>
          {r.started ? <When time={r.started} /> : r.id}
        </a>
      ),
      width: "9rem",
    },
    {
      id: "kind",
      title: t("collection.kind"),
      cell: (r) => (
        <span title={r.repository}>
          {kindOf(r)}
          {r.repository && <span class="muted"> {r.repository}</span>}
        </span>
      ),
      width: "minmax(0, 2fr)",
    },
    { id: "state", title: t("collection.state"), cell: (r) => <State run={r} />, width: "6.5rem" },
    {
      id: "did",
      title: t("collection.did"),
      cell: (r) => <SumText sum={r.undo ? r.back : r.deleted} />,
      width: "minmax(0, 2fr)",
      wide: true,
    },
    {
      id: "by",
      title: t("collection.by"),
      cell: (r) => <span title={r.by}>{r.by || "–"}</span>,
      width: "minmax(0, 1fr)",
      wide: true,
    },
  ];
}

/** What is asked for: only looking, or deleting. */
function OrderDialog({ dry, onClose }: { dry: boolean; onClose: () => void }) {
  return (
    <FormDialog
      title={t(dry ? "collection.look" : "collection.run")}
      action={t(dry ? "collection.look.do" : "collection.run.do")}
      danger={!dry}
      onClose={onClose}
      onSubmit={async (form) => {
        const order: Order = { dry_run: dry };
        for (const key of ["repository", "older_than", "orphans"] as const) {
          const value = form.text(key);
          if (value) order[key] = value;
        }
        go(pageOf((await begin(order)).id), { replace: false });
      }}
    >
      <div class="dialog-body">
        <p>{t(dry ? "collection.look.says" : "collection.run.goes")}</p>
        {!dry && <p>{t("collection.run.stays")}</p>}
      </div>
      <label class="field">
        {t("collection.repository")}
        <input name="repository" autocomplete="off" spellcheck={false} placeholder={t("collection.all")} />
      </label>
      <label class="field">
        {t("collection.olderThan")}
        <input name="older_than" autocomplete="off" placeholder="1h" aria-describedby="older-help" />
        <span class="muted small" id="older-help">
          {t("collection.olderThan.help")}
        </span>
      </label>
      <label class="field">
        {t("collection.orphans")}
        <input name="orphans" autocomplete="off" placeholder="7d" aria-describedby="orphans-help" />
        <span class="muted small" id="orphans-help">
          {t("collection.orphans.help")}
        </span>
      </label>
    </FormDialog>
  );
}

export function Runs() {
  const list = useList<Run>(runsPath, (a) => (a as { runs: Run[] }).runs);
  const [order, setOrder] = useState<"dry" | "delete" | null>(null);
  // They come oldest first: the latest are there when all are.
  useEffect(() => {
    if (!list.done && !list.loading && !list.problem) list.more();
  }, [list.done, list.loading]);
  usePoll(list.items.some(isGoing), list.reload, 2000);
  const newest = [...list.items].reverse();
  return (
    <>
      <header class="page-head">
        <h1>{t("collection.title")}</h1>
        <div class="buttons">
          <button type="button" onClick={() => setOrder("delete")}>
            {t("collection.run")}…
          </button>
          <button type="button" class="primary" onClick={() => setOrder("dry")}>
            {t("collection.look")}…
          </button>
        </div>
      </header>
      <p class="lead">{t("collection.lead")}</p>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : list.loading && !list.items.length ? (
        <TableSkeleton rows={6} />
      ) : !newest.length ? (
        <Empty icon="broom" title={t("collection.empty")}>
          <p>{t("collection.empty.do")}</p>
        </Empty>
      ) : (
        <Table
          label={t("collection.runs")}
          columns={columns()}
          rows={newest}
          id={(r) => r.id}
          href={(r) => pageOf(r.id)}
          loading={list.loading}
        />
      )}
      {order && <OrderDialog dry={order === "dry"} onClose={() => setOrder(null)} />}
    </>
  );
}
