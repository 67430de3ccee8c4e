/* One run: what it did, or would do, and the way back. */
import { useRef, useState } from "preact/hooks";
import { useList } from "../../api/client";
import { begin, type Entry, isGoing, type Order, type Run, runPath, undo } from "../../api/gc";
import { at } from "../../app/base";
import { go } from "../../app/router";
import { useTitle } from "../../app/title";
import { Copy } from "../../parts/copy";
import { confirm, Dialog } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import { useAction } from "../../parts/form";
import { Icon } from "../../parts/icon";
import { usePoll } from "../../parts/poll";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table } from "../../parts/table";
import { bytesText } from "../../parts/units";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";
import { actionText, kindOf, reasonText, State, SumText } from "./words";

const SHORT_DIGEST = "sha256:".length + 12;

function Thing({ entry }: { entry: Entry }) {
  return (
    <span title={entry.digest}>
      <code>{entry.digest.slice(0, SHORT_DIGEST)}</code>{" "}
      <span class="muted">
        {entry.kind === "blob" || entry.kind === "manifest" ? t(`collection.kind.${entry.kind}`) : entry.kind}
      </span>
      {entry.tags?.map((tag) => (
        <span key={tag} class="badge" title={tag}>
          {tag}
        </span>
      ))}
    </span>
  );
}

function columns(): Column<Entry>[] {
  return [
    {
      id: "what",
      title: t("collection.what"),
      cell: (e) => <Thing entry={e} />,
      width: "minmax(0, 2fr)",
    },
    {
      id: "repository",
      title: t("collection.in"),
      cell: (e) => <span title={e.repository}>{e.repository}</span>,
      width: "minmax(0, 1.25fr)",
      wide: true,
    },
    {
      id: "size",
      title: t("collection.size"),
      cell: (e) => <Size bytes={e.size} />,
      width: "6rem",
      end: true,
    },
    {
      id: "action",
      title: t("collection.happens"),
      cell: (e) => actionText(e.action),
      width: "minmax(5.5rem, 8rem)",
    },
    {
      id: "why",
      title: t("collection.why"),
      cell: (e) => <span title={reasonText(e.reason)}>{reasonText(e.reason)}</span>,
      width: "minmax(0, 1.5fr)",
      wide: true,
    },
  ];
}

/** All of an entry: on phones its row has not room for why. */
function One({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  return (
    <Dialog title={t("collection.what")} onClose={onClose} wide>
      <dl class="facts">
        <dt>{t("collection.what")}</dt>
        <dd>
          <code>{entry.digest}</code> <Copy text={entry.digest} what={t("collection.what")} />
        </dd>
        {!!entry.tags?.length && (
          <>
            <dt>{t("tags.name")}</dt>
            <dd>{entry.tags.join(", ")}</dd>
          </>
        )}
        <dt>{t("collection.in")}</dt>
        <dd>{entry.repository || "–"}</dd>
        <dt>{t("collection.size")}</dt>
        <dd>
          <Size bytes={entry.size} />
        </dd>
        <dt>{t("collection.happens")}</dt>
        <dd>{actionText(entry.action)}</dd>
        <dt>{t("collection.why")}</dt>
        <dd>{reasonText(entry.reason)}</dd>
      </dl>
    </Dialog>
  );
}

function Facts({ run }: { run: Run }) {
  return (
    <dl class="facts panel">
      <dt>{t("collection.state")}</dt>
      <dd>
        <State run={run} />
      </dd>
      {run.error && (
        <>
          <dt>{t("collection.error")}</dt>
          <dd>{run.error}</dd>
        </>
      )}
      <dt>{t("collection.started")}</dt>
      <dd>
        <When time={run.started} never={t("collection.notYet")} />{" "}
        {run.by && t("collection.byWhom", { name: run.by })}
      </dd>
      {run.ended && (
        <>
          <dt>{t("collection.ended")}</dt>
          <dd>
            <When time={run.ended} />
          </dd>
        </>
      )}
      {run.repository && (
        <>
          <dt>{t("collection.repository")}</dt>
          <dd>{run.repository}</dd>
        </>
      )}
      {run.undo ? (
        <>
          <dt>{t("collection.ofRun")}</dt>
          <dd>
            <a href={at(`/ui/collection?run=${encodeURIComponent(run.undo)}`)}>{run.undo}</a>
          </dd>
          <dt>{t("collection.back")}</dt>
          <dd>
            <SumText sum={run.back} />
          </dd>
          <dt>{t("collection.tagsBack")}</dt>
          <dd>
            {number(run.tags ?? 0)}
            {!!run.tags_elsewhere && ` (${t("collection.tagsElsewhere", { n: run.tags_elsewhere })})`}
          </dd>
        </>
      ) : (
        <>
          <dt>{t(run.dry_run ? "collection.wouldDelete" : "collection.deleted")}</dt>
          <dd>
            <SumText sum={run.deleted} />
          </dd>
          <dt>{t(run.dry_run ? "collection.wouldCondemn" : "collection.condemned")}</dt>
          <dd>
            <SumText sum={run.condemned} />
          </dd>
          <dt>{t(run.dry_run ? "collection.wouldRevive" : "collection.revived")}</dt>
          <dd>
            <SumText sum={run.revived} />
          </dd>
        </>
      )}
      {!!run.problems && (
        <>
          <dt>{t("collection.problems")}</dt>
          <dd>{number(run.problems)}</dd>
        </>
      )}
      <dt>{t("collection.id")}</dt>
      <dd>
        <code>{run.id}</code> <Copy text={run.id} what={t("collection.id")} />
      </dd>
    </dl>
  );
}

function Lost({ run }: { run: Run }) {
  if (!run.lost?.length) return null;
  return (
    <section class="panel">
      <h2>{t("collection.lost")}</h2>
      <dl class="facts">
        {run.lost.map((one) => (
          <>
            <dt key={one.digest}>
              <code>{one.digest.slice(0, SHORT_DIGEST)}</code>
            </dt>
            <dd>
              {one.repository}: {one.why}
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}

/** What can be done about a run that has ended. */
function Steps({ run }: { run: Run }) {
  const action = useAction();
  const show = (made: { id: string }) => go(`/ui/collection?run=${encodeURIComponent(made.id)}`);
  const forReal = async () => {
    const order: Order = run.repository ? { dry_run: false, repository: run.repository } : { dry_run: false };
    const yes = await confirm({
      title: t("collection.run"),
      body: (
        <>
          <p>{t("collection.run.goes")}</p>
          <p>{t("collection.run.stays")}</p>
          {run.repository && <p>{t("collection.run.only", { name: run.repository })}</p>}
        </>
      ),
      action: t("collection.run.do"),
      danger: true,
    });
    if (yes) await action.run(async () => show(await begin(order)));
  };
  const back = async () => {
    const sum = run.deleted;
    const yes = await confirm({
      title: t("collection.undo"),
      body: (
        <>
          <p>
            {t("collection.undo.body", {
              manifests: t("collection.manifests", { n: sum?.manifests ?? 0 }),
              blobs: t("collection.blobs", { n: sum?.blobs ?? 0 }),
              size: bytesText(sum?.bytes ?? 0),
            })}
          </p>
          <p>{t("collection.undo.stays")}</p>
        </>
      ),
      action: t("collection.undo.do"),
    });
    if (yes) await action.run(async () => show(await undo(run.id)));
  };
  const anything = !!run.deleted && run.deleted.blobs + run.deleted.manifests > 0;
  return (
    <>
      <div class="buttons">
        {run.dry_run && run.state === "done" && (
          <button type="button" class="danger" disabled={action.busy} onClick={forReal}>
            {t("collection.run")}…
          </button>
        )}
        {!run.undo && !run.dry_run && anything && (
          <button type="button" disabled={action.busy} onClick={back}>
            {t("collection.undo")}…
          </button>
        )}
      </div>
      <ProblemLine problem={action.problem} />
    </>
  );
}

export function RunView({ id }: { id: string }) {
  const run = useRef<Run | null>(null);
  const [open, setOpen] = useState<Entry | null>(null);
  const list = useList<Entry>(runPath(id), (answer) => {
    const { entries, ...rest } = answer as Run & { entries: Entry[] };
    run.current = rest;
    return entries;
  });
  const one = run.current;
  usePoll(!!one && isGoing(one), list.reload);
  useTitle(one ? kindOf(one) : t("collection.title"));
  return (
    <>
      <a class="back" href={at("/ui/collection")}>
        <Icon name="chevron" />
        {t("collection.runs")}
      </a>
      <header class="page-head">
        <h1>{one ? kindOf(one) : t("collection.title")}</h1>
        {one && !isGoing(one) && <Steps run={one} />}
      </header>
      {list.problem && <ProblemView problem={list.problem} retry={list.reload} />}
      {!one && !list.problem && <Skeleton lines={6} />}
      {one && <Facts run={one} />}
      {one && <Lost run={one} />}
      {one && isGoing(one) && <p role="status">{t("collection.going")}</p>}
      {one && !one.undo && !isGoing(one) && list.done && !list.items.length && (
        <Empty icon="check" title={t("collection.noEntries")}>
          <p>{t("collection.noEntries.why")}</p>
        </Empty>
      )}
      {!!list.items.length && (
        <Table
          label={t("collection.entries")}
          columns={columns()}
          rows={list.items}
          id={(e) => `${e.repository} ${e.digest} ${e.action ?? ""} ${e.at}`}
          onOpen={setOpen}
          onMore={list.more}
          loading={list.loading && !!one && !isGoing(one)}
          complete={list.done}
        />
      )}
      {open && <One entry={open} onClose={() => setOpen(null)} />}
    </>
  );
}
