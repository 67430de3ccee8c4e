import { useMemo, useState } from "preact/hooks";
import { useList } from "../../api/client";
import { type Repository, repositoriesOf, repositoriesPath } from "../../api/repositories";
import { at, host } from "../../app/base";
import { useMedia } from "../../app/media";
import { encodePath, go, setQuery, useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Commands } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { Filter } from "../../parts/filter";
import { Icon } from "../../parts/icon";
import { kindOf, kindText } from "../../parts/kind";
import { ProblemView } from "../../parts/problem";
import { ScanBadge } from "../../parts/scan";
import { Size } from "../../parts/size";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { language, number, t } from "../../text/text";
import { type Folder, type Leaf, type Node, treeOf } from "./tree";
import "./style.css";

function page(row: Repository): string {
  return `/ui/repositories/${encodePath(row.name)}`;
}

/** Images need no word; what else is in a repository does, by its latest tag. */
function Kind({ of }: { of: Repository }) {
  const kind = of.latest?.artifact_type ? kindOf(of.latest) : "image";
  return kind === "image" || kind === "signature" ? null : <span class="badge">{kindText(kind)}</span>;
}

/** The last part of a name is what people look for. */
function Name({ of, short }: { of: Repository; short?: boolean }) {
  const { name } = of;
  const cut = name.lastIndexOf("/") + 1;
  return (
    <a class="name" href={at(page(of))} title={name}>
      {!short && <span class="muted">{name.slice(0, cut)}</span>}
      {name.slice(cut)}
    </a>
  );
}

/** On phones: what has no column there. */
function Under({ of }: { of: Repository }) {
  return (
    <span class="on-phones muted small">
      <When time={of.pushed} never="–" /> · <Size bytes={of.size} />
    </span>
  );
}

function columns(): Column<Repository>[] {
  return [
    {
      id: "name",
      title: t("repositories.name"),
      cell: (r) => (
        <>
          <span class="repositories-row">
            <Name of={r} />
            <Kind of={r} />
          </span>
          <Under of={r} />
        </>
      ),
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
      wide: true,
    },
    {
      id: "pulled",
      title: t("repositories.pulled"),
      cell: (r) => <When time={r.pulled} never="–" />,
      width: "8.5rem",
      wide: true,
    },
    {
      id: "scan",
      title: t("repositories.scan"),
      cell: (r) => <ScanBadge scan={r.latest?.scan} />,
      width: "7rem",
    },
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

/** The same columns for rows of a tree: a folder has its name alone. */
function treeColumns(toggle: (folder: string) => void): Column<Node>[] {
  const folder = (one: Folder) => (
    <span class="tree-name" style={{ "--depth": one.depth }}>
      <button
        type="button"
        class="plain chevron"
        aria-expanded={one.open}
        aria-label={one.folder}
        onClick={() => toggle(one.folder)}
      >
        <Icon name="chevron" />
      </button>
      <Icon name="folder" />
      <b>{one.folder.slice(0, -1).split("/").pop()}</b>
      <span class="muted small">{t("repositories.below", { n: one.n })}</span>
    </span>
  );
  const leaf = (one: Leaf) => (
    <div class="tree-name leaf" style={{ "--depth": one.depth }}>
      <span class="repositories-row">
        <Name of={one.repository} short />
        <Kind of={one.repository} />
      </span>
      <Under of={one.repository} />
    </div>
  );
  return columns().map((c) => ({
    ...c,
    sortable: false,
    cell: (one: Node) => {
      if (c.id === "name") return "folder" in one ? folder(one) : leaf(one);
      return "folder" in one ? null : c.cell(one.repository);
    },
  }));
}

const view = ["list", "tree"] as const;

function View({ tree }: { tree: boolean }) {
  return (
    <div class="repositories-view" role="group" aria-label={t("repositories.view")}>
      {view.map((one) => (
        <button
          key={one}
          type="button"
          class="plain"
          aria-pressed={tree === (one === "tree")}
          aria-label={t(`repositories.${one}`)}
          title={t(`repositories.${one}`)}
          onClick={() => setQuery({ view: one === "tree" ? one : "", sort: "" })}
        >
          <Icon name={one} />
        </button>
      ))}
    </div>
  );
}

export default function Repositories() {
  const [search] = useQuery("search");
  const [sort] = useQuery("sort", "name");
  const tree = useQuery("view")[0] === "tree";
  const [shut, setShut] = useState<ReadonlySet<string>>(new Set());
  const list = useList(repositoriesPath(search, tree ? "name" : sort), repositoriesOf);
  const waiting = list.loading && !list.items.length;
  const spoken = useStore(language);
  const toggle = (folder: string) =>
    setShut((old) => {
      const next = new Set(old);
      if (!next.delete(folder)) next.add(folder);
      return next;
    });
  const shown = useMemo(columns, [spoken]);
  const treeShown = useMemo(() => treeColumns(toggle), [spoken]);
  const nodes = useMemo(() => (tree ? treeOf(list.items, shut) : []), [tree, list.items, shut]);
  const phone = useMedia("(max-width: 39.99rem)");
  const more = {
    rowHeight: phone ? 54 : 40,
    label: t("repositories.title"),
    onMore: list.more,
    loading: list.loading && list.fresh,
    complete: list.done,
  };
  return (
    <>
      <header class="page-head">
        <h1>{t("repositories.title")}</h1>
        <Filter
          value={search}
          onChange={(text) => setQuery({ search: text })}
          label={t("repositories.search")}
        />
        <View tree={tree} />
      </header>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : waiting ? (
        <TableSkeleton />
      ) : !list.items.length ? (
        <Nothing search={search} />
      ) : tree ? (
        <Table
          {...more}
          columns={treeShown}
          rows={nodes}
          id={(one) => ("folder" in one ? one.folder : one.repository.name)}
          onOpen={(one) => ("folder" in one ? toggle(one.folder) : go(page(one.repository)))}
        />
      ) : (
        <Table
          {...more}
          columns={shown}
          rows={list.items}
          id={(r) => r.name}
          href={page}
          sort={{ id: sort, descending: sort !== "name" }}
          onSort={(id) => setQuery({ sort: id === "name" ? "" : id })}
        />
      )}
    </>
  );
}
