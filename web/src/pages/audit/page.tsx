/* Who did what: filters are in the address, so that a view can be sent to somebody. */
import { useEffect, useState } from "preact/hooks";
import { type AuditEntry, type AuditFilter, auditFilters, auditOf, auditPath } from "../../api/audit";
import { useList } from "../../api/client";
import { setQuery, useQuery } from "../../app/router";
import { Dialog } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import "../../parts/panel.css";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { timeExact } from "../../parts/units";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import "./style.css";

const PAUSE_MS = 250;

/** What the trail speaks of often; any other word may be typed. */
const known: Partial<Record<AuditFilter, readonly string[]>> = {
  action: [
    "push",
    "pull",
    "delete",
    "upload image",
    "sign-in",
    "sign-out",
    "user add",
    "user set",
    "user rm",
    "user passwd",
    "token create",
    "token revoke",
    "policy add",
    "policy rm",
    "tag rm",
    "repo rm",
    "rollback",
    "retention",
    "gc",
    "gc undo",
    "scan",
    "webhook test",
    "webhook redeliver",
    "read",
    "write",
  ],
  result: ["ok", "denied", "failed", "blocked", "bypassed"], // as results below
};
const examples: Record<AuditFilter, string> = {
  actor: "user:alice",
  action: "push",
  repository: "dev/**",
  result: "denied",
  address: "192.0.2.7",
};

/** What is typed counts after a short pause. */
function Field({ name }: { name: AuditFilter }) {
  const [value] = useQuery(name);
  const [typed, setTyped] = useState<{ over: string; text: string } | null>(null);
  useEffect(() => {
    if (!typed || typed.over !== value) return;
    const timer = setTimeout(() => {
      setTyped(null);
      setQuery({ [name]: typed.text });
    }, PAUSE_MS);
    return () => clearTimeout(timer); // another page may be shown by then
  }, [typed, value]);
  return (
    <label class="field">
      {t(`audit.${name}`)}
      <input
        value={typed?.over === value ? typed.text : value}
        placeholder={examples[name]}
        list={known[name] ? `audit-${name}` : undefined}
        autocomplete="off"
        spellcheck={false}
        data-search={name === "actor" || undefined}
        onInput={(e) => setTyped({ over: value, text: e.currentTarget.value })}
      />
      {known[name] && (
        <datalist id={`audit-${name}`}>
          {known[name].map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </label>
  );
}

function Day({ name }: { name: "from" | "to" }) {
  const [value, set] = useQuery(name);
  return (
    <label class="field day">
      {t(`audit.${name}`)}
      <input type="date" value={value} onChange={(e) => set(e.currentTarget.value)} />
    </label>
  );
}

const results = ["ok", "denied", "failed", "blocked", "bypassed"] as const;

function Result({ result }: { result: string }) {
  const known = results.find((one) => one === result);
  const look =
    result === "ok" ? "state-ok" : result === "denied" || result === "blocked" ? "state-bad" : "state-warn";
  return (
    <span class={`badge ${look}`} title={result}>
      {known ? t(`audit.result.${known}`) : result}
    </span>
  );
}

function columns(): Column<AuditEntry>[] {
  const text = (value: string | undefined) => (
    <span title={value && visible(value)}>{value ? visible(value) : "–"}</span>
  );
  return [
    {
      id: "time",
      title: t("audit.time"),
      cell: (e) => <When time={e.time} />,
      width: "minmax(5rem, 8.5rem)",
    },
    { id: "actor", title: t("audit.actor"), cell: (e) => text(e.actor), width: "minmax(6rem, 1fr)" },
    {
      id: "action",
      title: t("audit.action"),
      cell: (e) => <span lang="en">{text(e.action)}</span>,
      width: "minmax(4.5rem, 7rem)",
    },
    {
      id: "target",
      title: t("audit.target"),
      cell: (e) => text(e.target),
      width: "minmax(0, 2fr)",
      wide: true,
    },
    { id: "address", title: t("audit.address"), cell: (e) => text(e.address), width: "8rem", wide: true },
    {
      id: "result",
      title: t("audit.result"),
      cell: (e) => <Result result={e.result} />,
      width: "minmax(0, 7rem)",
      wide: true,
    },
  ];
}

function exactly(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : timeExact(date);
}

/** All of an entry, and what else is like it. */
function One({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const only = (name: AuditFilter, value: string) => (
    <button
      type="button"
      class="plain only"
      onClick={() => {
        onClose();
        setQuery({ [name]: value }, { replace: false });
      }}
    >
      {t("audit.only")} <span class="heard">{t("audit.only.of", { what: t(`audit.${name}`), value })}</span>
    </button>
  );
  return (
    <Dialog title={t("audit.entry")} onClose={onClose} wide>
      <dl class="facts">
        <dt>{t("audit.time")}</dt>
        <dd>{exactly(entry.time)}</dd>
        <dt>{t("audit.actor")}</dt>
        <dd>
          {visible(entry.actor)} {only("actor", entry.actor)}
        </dd>
        <dt>{t("audit.action")}</dt>
        <dd>
          <span lang="en">{entry.action}</span> {only("action", entry.action)}
        </dd>
        <dt>{t("audit.target")}</dt>
        <dd>{entry.target ? visible(entry.target) : "–"}</dd>
        <dt>{t("audit.address")}</dt>
        <dd>
          {entry.address ? (
            <>
              {entry.address} {only("address", entry.address)}
            </>
          ) : (
            "–"
          )}
        </dd>
        <dt>{t("audit.result")}</dt>
        <dd>
          <Result result={entry.result} /> {only("result", entry.result)}
        </dd>
        {entry.detail && (
          <>
            <dt>{t("audit.detail")}</dt>
            <dd lang="en">{visible(entry.detail)}</dd>
          </>
        )}
      </dl>
    </Dialog>
  );
}

export default function AuditPage() {
  const [actor] = useQuery("actor");
  const [action] = useQuery("action");
  const [repository] = useQuery("repository");
  const [result] = useQuery("result");
  const [address] = useQuery("address");
  const [from] = useQuery("from");
  const [to] = useQuery("to");
  const filters = { actor, action, repository, result, address };
  const filtered = !!(actor || action || repository || result || address || from || to);
  const list = useList(auditPath(filters, from, to), auditOf);
  const [open, setOpen] = useState<AuditEntry | null>(null);
  // A page may be empty and yet not be the last.
  useEffect(() => {
    if (!list.items.length && !list.done && !list.loading && !list.problem) list.more();
  }, [list.items.length, list.done, list.loading]);
  const clear = () =>
    setQuery({ actor: "", action: "", repository: "", result: "", address: "", from: "", to: "" });
  return (
    <>
      <header class="page-head">
        <h1>{t("audit.title")}</h1>
        <div class="buttons">
          {filtered && (
            <button type="button" class="plain" onClick={clear}>
              {t("audit.clear")}
            </button>
          )}
          <button type="button" onClick={list.reload}>
            {t("audit.reload")}
          </button>
        </div>
      </header>
      <div class="toolbar audit-filters" role="search" aria-label={t("audit.filters")}>
        {auditFilters.map((name) => (
          <Field key={name} name={name} />
        ))}
        <Day name="from" />
        <Day name="to" />
      </div>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !list.items.length && !list.done ? (
        <TableSkeleton />
      ) : !list.items.length ? (
        <Empty icon="search" title={t(filtered ? "audit.noMatch" : "audit.empty")}>
          <p>{t(filtered ? "audit.noMatch.do" : "audit.empty.do")}</p>
        </Empty>
      ) : (
        <Table
          label={t("audit.title")}
          columns={columns()}
          rows={list.items}
          id={(e) => String(e.id)}
          onOpen={setOpen}
          onMore={list.more}
          loading={list.loading && list.fresh}
          complete={list.done}
        />
      )}
      {open && <One entry={open} onClose={() => setOpen(null)} />}
    </>
  );
}
