/* One webhook, or rule of mail: how it does, what it was not told, sending that again. */
import { useState } from "preact/hooks";
import { Problem, useList } from "../../api/client";
import {
  type Delivery,
  deliveriesOf,
  deliveriesPath,
  redeliver,
  type Sent,
  test,
  type Webhook,
} from "../../api/webhooks";
import { at } from "../../app/base";
import { useTitle } from "../../app/title";
import { Copy } from "../../parts/copy";
import { confirm, Dialog } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import { useAction } from "../../parts/form";
import { Icon } from "../../parts/icon";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";
import { State } from "./state";

/** Why it was not taken, in the words of the registry. */
function Why({ of }: { of: Pick<Delivery, "why" | "status"> | Pick<Webhook, "why" | "status"> }) {
  if (!of.why) return <>{t("webhooks.status", { status: String(of.status) })}</>;
  return (
    <span title={of.why} lang="en">
      {of.why}
    </span>
  );
}

function Facts({ of }: { of: Webhook }) {
  return (
    <dl class="facts panel">
      <dt>{t("webhooks.state")}</dt>
      <dd>
        <State of={of} />
      </dd>
      {of.state === "failing" && (
        <>
          <dt>{t("webhooks.why")}</dt>
          <dd>
            <Why of={of} />
          </dd>
          <dt>{t("webhooks.since")}</dt>
          <dd>
            <When time={of.failing_since} />, {t("webhooks.tries", { n: of.failures ?? 0 })}
          </dd>
          <dt>{t("webhooks.next")}</dt>
          <dd>
            <When time={of.next_try} />
          </dd>
        </>
      )}
      <dt>{t("webhooks.where")}</dt>
      <dd>{of.server ?? of.to?.join(", ")}</dd>
      <dt>{t("webhooks.events")}</dt>
      <dd>{of.events.join(", ") || t("webhooks.allEvents")}</dd>
      <dt>{t("webhooks.repositories")}</dt>
      <dd>{of.repositories.join(", ") || t("webhooks.allRepositories")}</dd>
    </dl>
  );
}

function Figures({ of }: { of: Webhook }) {
  const figures = [
    [of.delivered, "webhooks.delivered"],
    [of.waiting, "webhooks.waiting"],
    [of.dead, "webhooks.dead"],
    [of.lost, "webhooks.lost"],
  ] as const;
  return (
    <div class="figures">
      {figures.map(([n, text]) => (
        <div class="figure" key={text}>
          <b>{number(n)}</b>
          <span>{t(text)}</span>
        </div>
      ))}
    </div>
  );
}

function subjectOf(d: Delivery): string {
  const { repository, tag, digest } = d.event;
  return `${repository ?? ""}${tag ? `:${tag}` : digest ? `@${digest}` : ""}`;
}

function columns(onSend: (d: Delivery) => void, busy: boolean): Column<Delivery>[] {
  return [
    {
      id: "event",
      title: t("webhooks.event"),
      cell: (d) => (
        <span title={d.event.event}>
          <b>{d.event.event}</b> <span class="muted">{number(d.seq)}</span>
        </span>
      ),
      width: "minmax(0, 1fr)",
    },
    {
      id: "subject",
      title: t("webhooks.about"),
      cell: (d) => <span title={visible(subjectOf(d))}>{visible(subjectOf(d)) || "–"}</span>,
      width: "minmax(0, 1.5fr)",
      wide: true,
    },
    {
      id: "why",
      title: t("webhooks.why"),
      cell: (d) => <Why of={d} />,
      width: "minmax(0, 1.5fr)",
      wide: true,
    },
    { id: "at", title: t("webhooks.givenUp"), cell: (d) => <When time={d.at} />, width: "8rem" },
    {
      id: "send",
      title: t("webhooks.again"),
      cell: (d) => (
        <button
          type="button"
          class="plain"
          disabled={busy}
          aria-label={t("webhooks.send.of", { n: d.seq })}
          onClick={() => onSend(d)}
        >
          {t("webhooks.send")}
        </button>
      ),
      width: "6.5rem",
      end: true,
      wide: true,
    },
  ];
}

interface OneProps {
  of: Delivery;
  busy: boolean;
  onClose: () => void;
  onSend: () => void;
}

function One({ of, busy, onClose, onSend }: OneProps) {
  const text = visible(JSON.stringify(of.event, null, 2));
  return (
    <Dialog title={t("webhooks.event")} onClose={onClose} wide>
      <div class="dialog-body">
        <dl class="facts">
          <dt>{t("webhooks.givenUp")}</dt>
          <dd>
            <When time={of.at} />
          </dd>
          <dt>{t("webhooks.why")}</dt>
          <dd>
            <Why of={of} />
          </dd>
        </dl>
      </div>
      <div class="commands dialog-body">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must the keys */}
        <pre tabIndex={0}>{text}</pre>
        <Copy text={text} what={t("webhooks.event")} />
      </div>
      <footer>
        <button type="button" class="primary" disabled={busy} onClick={onSend}>
          {t("webhooks.send")}
        </button>
      </footer>
    </Dialog>
  );
}

function said(sent: Sent) {
  if (sent.delivered) toast(t("webhooks.taken", { n: sent.took_ms }));
  else toast(t("webhooks.refused", { why: sent.why || String(sent.status) }), { bad: true });
}

function Deliveries({ name, reload }: { name: string; reload: () => void }) {
  const list = useList(deliveriesPath(name), deliveriesOf);
  const [open, setOpen] = useState<Delivery | null>(null);
  const action = useAction();
  const again = () => {
    list.reload();
    reload();
  };
  const send = (d: Delivery) => action.run(async () => said(await redeliver(name, d.seq))).then(again);
  const sendAll = async () => {
    const all = list.items;
    const yes = await confirm({
      title: t("webhooks.sendAll"),
      body: <p>{t("webhooks.sendAll.body", { n: all.length })}</p>,
      action: t("webhooks.sendAll.do", { n: all.length }),
    });
    if (!yes) return;
    let taken = 0;
    await action.run(async () => {
      for (const one of all) {
        const sent = await redeliver(name, one.seq);
        if (!sent.delivered)
          throw new Problem(502, "REFUSED", t("webhooks.stopped", { n: one.seq, why: sent.why }));
        taken++;
      }
    });
    toast(t("webhooks.sentAll", { n: taken }));
    again();
  };
  return (
    <section>
      <header class="page-head">
        <h2 class="grow">{t("webhooks.deliveries")}</h2>
        {list.items.length > 1 && (
          <button type="button" disabled={action.busy} onClick={sendAll}>
            {t("webhooks.sendAll")}…
          </button>
        )}
      </header>
      <ProblemLine problem={action.problem} />
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !list.items.length && !list.done ? (
        <TableSkeleton rows={4} />
      ) : !list.items.length ? (
        <Empty icon="check" title={t("webhooks.noDeliveries")}>
          <p>{t("webhooks.noDeliveries.why")}</p>
        </Empty>
      ) : (
        <Table
          label={t("webhooks.deliveries")}
          columns={columns(send, action.busy)}
          rows={list.items}
          id={(d) => String(d.seq)}
          onOpen={setOpen}
          onMore={list.more}
          loading={list.loading && list.fresh}
          complete={list.done}
        />
      )}
      {open && (
        <One
          of={open}
          busy={action.busy}
          onClose={() => setOpen(null)}
          onSend={() => {
            setOpen(null);
            send(open);
          }}
        />
      )}
    </section>
  );
}

export function Target({
  name,
  of,
  problem,
  reload,
}: {
  name: string;
  of: Webhook | "gone" | null;
  problem: Problem | null;
  reload: () => void;
}) {
  const action = useAction();
  useTitle(name);
  const tryIt = () => action.run(async () => said(await test(name)));
  return (
    <>
      <a class="back" href={at("/ui/webhooks")}>
        <Icon name="chevron" />
        {t("webhooks.title")}
      </a>
      <header class="page-head">
        <h1>{name}</h1>
        {of && of !== "gone" && (
          <button type="button" class="primary" disabled={action.busy} onClick={tryIt}>
            {t("webhooks.test")}
          </button>
        )}
      </header>
      <ProblemLine problem={action.problem} />
      {problem && !of && <ProblemView problem={problem} retry={reload} />}
      {!of && !problem && <Skeleton lines={6} />}
      {of === "gone" && (
        <Empty icon="search" title={t("webhooks.gone")}>
          <p>{t("webhooks.gone.why")}</p>
        </Empty>
      )}
      {of && of !== "gone" && (
        <>
          <Figures of={of} />
          <Facts of={of} />
          <Deliveries name={name} reload={reload} />
        </>
      )}
    </>
  );
}
