/* Which tags go by the policies of retention, and which stay: a preview, and doing it. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, get, nextOf, Problem, useList } from "../../api/client";
import { type Decision, type Retention, retentionPath, runRetention } from "../../api/retention";
import { restoreTag } from "../../api/tags";
import { at } from "../../app/base";
import { useMedia } from "../../app/media";
import { encodePath, useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Commands } from "../../parts/copy";
import { confirm } from "../../parts/dialog";
import { bringBack } from "../../parts/each";
import { Empty } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { When } from "../../parts/when";
import { language, number, type TextKey, t } from "../../text/text";
import "./style.css";

const UNDO_MAX = 500; // tags that one click brings back
const PAUSES_S = [0.3, 0.5, 1, 2, 4, 8, 15];

const shows = ["all", "goes", "stays"] as const;
type Show = (typeof shows)[number];

const EXAMPLE = `retention:
  - repositories: ["dev/**"]
    tags: ["pr-*"]
    keep_last: 10
    keep_pushed: 30d
gc:
  schedule: "30 3 * * * local"`;

const imagePath = (one: Decision) => `/ui/images/${encodePath(one.repository)}:${one.tag}`;

const reasons: Record<string, TextKey> = {
  "nothing keeps it": "retention.nothingKeeps",
  keep_tags: "retention.why.keepTags",
  keep_pushed: "retention.why.keepPushed",
  "keep_pushed; when it was pushed is not known": "retention.why.keepPushed.unknown",
  keep_pulled: "retention.why.keepPulled",
  "keep_pulled; pulls are not recorded yet": "retention.why.keepPulled.unknown",
  "a rule of the rights lets nobody move or delete it": "retention.why.byRights",
};

function reasonText(reason: string): string {
  const last = /^keep_last (\d+)$/.exec(reason)?.[1];
  if (last) return t("retention.why.keepLast", { n: Number(last) });
  return reasons[reason] ? t(reasons[reason]) : reason;
}

/** The registry's words in the language of the page, as far as these are known. */
function whyText(why: string): string {
  const [, policy, reason] = /^policy (\d+): (.*)$/.exec(why) ?? [];
  if (!policy || !reason) return reasonText(why);
  return `${t("retention.policy", { policy })}: ${reasonText(reason)}`;
}

function columns(phone: boolean): Column<Decision>[] {
  return [
    {
      id: "tag",
      title: t("retention.tag"),
      width: "minmax(0, 3fr)",
      cell: (one) => (
        <div class="retention-two">
          <a class="name" href={at(imagePath(one))} title={`${one.repository}:${one.tag}`}>
            <span class="muted">
              <bdi>{one.repository}</bdi>:
            </span>
            <bdi>{one.tag}</bdi>
          </a>
          {phone && (
            <span class="muted small" title={one.why}>
              {whyText(one.why)}
            </span>
          )}
        </div>
      ),
    },
    {
      id: "pushed",
      title: t("retention.pushed"),
      width: "8.5rem",
      wide: true,
      cell: (one) => <When time={one.pushed} never={t("retention.unknown")} />,
    },
    {
      id: "goes",
      title: t("retention.verdict"),
      width: "5.5rem",
      cell: (one) => (
        <span class={one.goes ? "badge goes" : "badge stays"}>
          {t(one.goes ? "retention.goes" : "retention.stays")}
        </span>
      ),
    },
    {
      id: "why",
      title: t("retention.why"),
      width: "minmax(0, 2fr)",
      wide: true,
      cell: (one) => <span title={one.why}>{whyText(one.why)}</span>,
    },
  ];
}

/** Waits until a server has done it, or for half a minute; says whether it has. */
async function untilDone(): Promise<boolean> {
  for (const pause of PAUSES_S) {
    await new Promise((go) => setTimeout(go, pause * 1000));
    if ((await get<Retention>("/api/v1/retention?n=1")).go === 0) return true;
  }
  return false;
}

const undo = (gone: readonly Decision[]) =>
  bringBack(
    gone,
    (one) => `${one.repository}:${one.tag}`,
    (one) => restoreTag(one.repository, one.tag, one.digest),
  );

/** All decisions that go; those that are not loaded yet are asked for. */
async function allThatGo(most: number): Promise<Decision[] | null> {
  const goes: Decision[] = [];
  for (let path: string | null = "/api/v1/retention?n=1000"; path; ) {
    const answer: Response = await ask("GET", path);
    goes.push(...((await answer.json()) as Retention).decisions.filter((one) => one.goes));
    if (goes.length > most) return null;
    path = nextOf(answer.headers.get("Link"));
  }
  return goes;
}

function NotCarriedOut({ of }: { of: Retention["not_carried_out"] }) {
  if (!of.length) return null;
  return (
    <section class="retention-told">
      <Icon name="warning" />
      <div>
        <h2>{t("retention.not", { n: of.length })}</h2>
        <ul>
          {of.map((one) => (
            <li key={one.policy}>
              {t("retention.policy", { policy: String(one.policy) })}: <span lang="en">{one.why}</span>
            </li>
          ))}
        </ul>
        <p class="small">{t("retention.not.do")}</p>
      </div>
    </section>
  );
}

function Choice({ show, set, head }: { show: Show; set: (show: Show) => void; head: Retention }) {
  const counts = { all: head.go + head.stay, goes: head.go, stays: head.stay };
  return (
    <fieldset class="retention-show">
      <legend class="offscreen">{t("retention.show")}</legend>
      {shows.map((one) => (
        <label key={one} class={one === show ? "on" : ""}>
          <input type="radio" name="show" checked={one === show} onChange={() => set(one)} />
          {t(one === "all" ? "retention.all" : `retention.${one}`)}{" "}
          <span class="count">{number(counts[one])}</span>
        </label>
      ))}
    </fieldset>
  );
}

export default function RetentionPage() {
  const [wanted, setShow] = useQuery("show", "all");
  const show = shows.find((one) => one === wanted) ?? "all";
  const head = useRef<Retention | null>(null);
  const list = useList<Decision>(retentionPath, (answer) => {
    head.current = answer as Retention;
    return head.current.decisions;
  });
  const spoken = useStore(language);
  const phone = useMedia("(max-width: 39.99rem)");
  const shown = useMemo(() => columns(phone), [spoken, phone]);
  const [state, setState] = useState<"idle" | "running">("idle");
  const [problem, setProblem] = useState<Problem | null>(null);
  const here = useRef(true);
  useEffect(
    () => () => {
      here.current = false;
    },
    [],
  );
  const rows = useMemo(
    () => (show === "all" ? list.items : list.items.filter((one) => one.goes === (show === "goes"))),
    [list.items, show],
  );

  const run = async (all: Retention) => {
    setProblem(null);
    try {
      const goes = await allThatGo(UNDO_MAX);
      const yes = await confirm({
        title: t("retention.ask", { n: all.go }),
        body: (
          <>
            <p>{t("retention.ask.goes", { n: all.go })}</p>
            <p>{t("retention.ask.stays", { n: all.stay })}</p>
            <p class="muted small">{t(goes ? "retention.ask.undo" : "retention.ask.noUndo")}</p>
          </>
        ),
        action: t("retention.run", { n: all.go }),
        danger: true,
      });
      if (!yes) return;
      setState("running");
      await runRetention();
      const done = await untilDone();
      if (!here.current) return;
      if (done)
        toast(
          t("retention.done", { n: all.go }),
          goes ? { undo: () => undo(goes).then(() => here.current && list.reload()) } : {},
        );
      else toast(t("retention.waiting"));
      list.reload();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      setProblem(e);
    } finally {
      setState("idle");
    }
  };

  const all = list.problem ? null : head.current;
  const empty = all && !list.items.length && list.done;
  return (
    <>
      <header class="page-head">
        <h1>{t("retention.title")}</h1>
        {all && all.go > 0 && (
          <button type="button" class="danger" disabled={state === "running"} onClick={() => run(all)}>
            <Icon name="trash" />
            {state === "running" ? t("retention.running") : `${t("retention.run", { n: all.go })}…`}
          </button>
        )}
      </header>
      <ProblemLine problem={problem} />
      {list.problem && <ProblemView problem={list.problem} retry={list.reload} />}
      {!all && !list.problem && <TableSkeleton />}
      {all && <NotCarriedOut of={all.not_carried_out} />}
      {empty && (
        <Empty icon="clock" title={t(all.not_carried_out.length ? "retention.nothing" : "retention.empty")}>
          <p>{t("retention.empty.do")}</p>
          <Commands text={EXAMPLE} what="retention" />
        </Empty>
      )}
      {all && !empty && (
        <>
          <p class="retention-lead">{t(all.go ? "retention.lead" : "retention.lead.none")}</p>
          <Choice show={show} set={(one) => setShow(one)} head={all} />
          {rows.length || !list.done ? (
            <Table
              label={t("retention.title")}
              columns={shown}
              rows={rows}
              id={(one) => `${one.repository}:${one.tag}`}
              href={imagePath}
              onMore={list.more}
              loading={list.loading}
              complete={list.done}
              rowHeight={phone ? 54 : 40}
            />
          ) : (
            <Empty icon="check" title={t("retention.noneOf")} />
          )}
        </>
      )}
    </>
  );
}
