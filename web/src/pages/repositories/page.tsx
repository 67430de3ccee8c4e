import { useList } from "../../api/client";
import { type Repository, repositoriesOf, repositoriesPath } from "../../api/repositories";
import { at, host } from "../../app/base";
import { encodePath, setQuery, useQuery } from "../../app/router";
import { Commands } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { Filter } from "../../parts/filter";
import { ProblemView } from "../../parts/problem";
import { SeverityBadge } from "../../parts/severity";
import { Size } from "../../parts/size";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";

function page(row: Repository): string {
  return `/ui/repositories/${encodePath(row.name)}`;
}

/** The last part of a name is what people look for. */
function Name({ name }: { name: string }) {
  const cut = name.lastIndexOf("/") + 1;
  return (
    <a class="name" href={at(`/ui/repositories/${encodePath(name)}`)} title={name}>
      <span class="muted">{name.slice(0, cut)}</span>
      {name.slice(cut)}
    </a>
  );
}

function Scan({ row }: { row: Repository }) {
  const scan = row.latest?.scan;
  if (!scan || scan.worst === undefined)
    return (
      <span class="muted" title={t("repositories.notScanned")}>
        –
      </span>
    );
  return (
    <SeverityBadge worst={scan.worst} count={scan.worst ? scan.vulnerabilities?.[scan.worst] : undefined} />
  );
}

function columns(): Column<Repository>[] {
  return [
    {
      id: "name",
      title: t("repositories.name"),
      cell: (r) => <Name name={r.name} />,
      width: "minmax(0, 3fr)",
      sortable: true,
    },
    {
      id: "tags",
      title: t("repositories.tags"),
      cell: (r) => (r.tags === null ? "–" : number(r.tags)),
      width: "4.5rem",
      end: true,
      wide: true,
    },
    {
      id: "size",
      title: t("repositories.size"),
      cell: (r) => <Size bytes={r.size} />,
      width: "6rem",
      end: true,
      sortable: true,
      wide: true,
    },
    {
      id: "pushed",
      title: t("repositories.pushed"),
      cell: (r) => <When time={r.pushed} never="–" />,
      width: "8.5rem",
      sortable: true,
    },
    {
      id: "pulled",
      title: t("repositories.pulled"),
      cell: (r) => <When time={r.pulled} never="–" />,
      width: "8.5rem",
      wide: true,
    },
    { id: "scan", title: t("repositories.scan"), cell: (r) => <Scan row={r} />, width: "8rem", wide: true },
  ];
}

function Nothing({ search }: { search: string }) {
  if (search)
    return (
      <Empty icon="search" title={t("repositories.noMatch", { search })}>
        <p>{t("repositories.noMatch.do")}</p>
      </Empty>
    );
  const image = `${host}/dev/hello:1.0`;
  return (
    <Empty icon="boxes" title={t("repositories.empty")}>
      <p>{t("repositories.empty.do")}</p>
      <Commands text={`docker tag hello ${image}\ndocker push ${image}`} what="docker push" />
    </Empty>
  );
}

export default function Repositories() {
  const [search] = useQuery("search");
  const [sort] = useQuery("sort", "name");
  const list = useList(repositoriesPath(search, sort), repositoriesOf);
  const waiting = list.loading && !list.items.length;
  return (
    <>
      <header class="page-head">
        <h1>{t("repositories.title")}</h1>
        <Filter
          value={search}
          onChange={(text) => setQuery({ search: text })}
          label={t("repositories.search")}
        />
      </header>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : waiting ? (
        <TableSkeleton />
      ) : !list.items.length ? (
        <Nothing search={search} />
      ) : (
        <Table
          label={t("repositories.title")}
          columns={columns()}
          rows={list.items}
          id={(r) => r.name}
          href={page}
          sort={{ id: sort, descending: sort !== "name" }}
          onSort={(id) => setQuery({ sort: id === "name" ? "" : id })}
          onMore={list.more}
          loading={list.loading && list.fresh}
          complete={list.done}
        />
      )}
    </>
  );
}
