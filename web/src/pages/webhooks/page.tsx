import { useGet } from "../../api/client";
import { type Webhook, webhooksPath } from "../../api/webhooks";
import { at } from "../../app/base";
import { useQuery } from "../../app/router";
import { Commands } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import "../../parts/panel.css";
import { usePoll } from "../../parts/poll";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";
import { State } from "./state";
import { Target } from "./target";

const pageOf = (name: string) => `/ui/webhooks?name=${encodeURIComponent(name)}`;

const EXAMPLE = `webhooks:
  - name: security
    url: "https://hooks.example.org/in"
    secret_file: /etc/registry/hook
    events: [vulnerabilities.found, pull.blocked, push]`;

function columns(): Column<Webhook>[] {
  return [
    {
      id: "name",
      title: t("webhooks.name"),
      cell: (w) => (
        <a class="name" href={at(pageOf(w.name))} title={w.name}>
          {w.name}
        </a>
      ),
      width: "minmax(0, 1.25fr)",
    },
    { id: "state", title: t("webhooks.state"), cell: (w) => <State of={w} />, width: "7rem" },
    {
      id: "where",
      title: t("webhooks.where"),
      cell: (w) => {
        const where = w.server ?? w.to?.join(", ");
        return <span title={where}>{where}</span>;
      },
      width: "minmax(0, 2fr)",
      wide: true,
    },
    {
      id: "waiting",
      title: t("webhooks.waiting"),
      cell: (w) => number(w.waiting),
      width: "5rem",
      end: true,
      wide: true,
    },
    {
      id: "delivered",
      title: t("webhooks.delivered"),
      cell: (w) => number(w.delivered),
      width: "6rem",
      end: true,
      wide: true,
    },
    { id: "dead", title: t("webhooks.dead"), cell: (w) => number(w.dead), width: "6.5rem", end: true },
    {
      id: "last",
      title: t("webhooks.last"),
      cell: (w) => <When time={w.delivered_at} />,
      width: "8rem",
      wide: true,
    },
  ];
}

export default function WebhooksPage() {
  const [name] = useQuery("name");
  const { data, problem, reload } = useGet<{ webhooks: Webhook[] }>(webhooksPath);
  usePoll(!!data, reload, 5000);
  if (name)
    return (
      <Target
        key={name}
        name={name}
        of={data ? (data.webhooks.find((w) => w.name === name) ?? "gone") : null}
        problem={problem}
        reload={reload}
      />
    );
  return (
    <>
      <header class="page-head">
        <h1>{t("webhooks.title")}</h1>
      </header>
      {problem && !data ? (
        <ProblemView problem={problem} retry={reload} />
      ) : !data ? (
        <TableSkeleton rows={4} />
      ) : !data.webhooks.length ? (
        <Empty icon="bell" title={t("webhooks.empty")}>
          <p>{t("webhooks.empty.do")}</p>
          <Commands text={EXAMPLE} what={t("webhooks.example")} />
        </Empty>
      ) : (
        <>
          <p class="lead">{t("webhooks.lead")}</p>
          <Table
            label={t("webhooks.title")}
            columns={columns()}
            rows={data.webhooks}
            id={(w) => w.name}
            href={(w) => pageOf(w.name)}
          />
        </>
      )}
    </>
  );
}
