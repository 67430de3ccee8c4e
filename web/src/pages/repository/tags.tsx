/* The tags of a repository. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Listed } from "../../api/client";
import type { Tag } from "../../api/tags";
import { at, host } from "../../app/base";
import { useKey } from "../../app/keys";
import { encodePath, setQuery, useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Commands, Copy } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { Filter } from "../../parts/filter";
import { Icon } from "../../parts/icon";
import { kindOf, kindText } from "../../parts/kind";
import { ProblemView } from "../../parts/problem";
import { ScanBadge } from "../../parts/scan";
import { Size } from "../../parts/size";
import { type Column, Selection, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { language, t } from "../../text/text";
import { deleteSelected } from "./delete";
import { History } from "./history";

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const PLATFORMS = 3;

const page = (name: string, tag: string) => `/ui/images/${encodePath(name)}:${tag}`;

/** What the later one has that the other has not. */
function comparePath(name: string, a: Tag, b: Tag): string {
  const [old, later] = (a.pushed ?? "") < (b.pushed ?? "") ? [a, b] : [b, a];
  return `${page(name, later.name)}?tab=compare&with=${encodeURIComponent(old.name)}`;
}

/** What it runs on, in an index; an artifact says what it is. */
function whatOf(tag: Tag): { text: string; title: string } | null {
  const kind = kindOf(tag, tag.name);
  const platforms = tag.platforms.map((one) => one.platform).filter((one) => one !== null);
  if (kind === "image") return null;
  if (kind !== "index" || !platforms.length)
    return { text: kindText(kind), title: tag.artifact_type ?? tag.media_type };
  const more = platforms.length - PLATFORMS;
  const text = platforms.slice(0, PLATFORMS).join(", ") + (more > 0 ? ` +${more}` : "");
  return { text, title: platforms.join("\n") };
}

function Name({ name, tag }: { name: string; tag: Tag }) {
  const what = whatOf(tag);
  return (
    <div class="tag-two">
      <span class="tag-name">
        <a class="name" href={at(page(name, tag.name))} title={tag.name}>
          <bdi>{tag.name}</bdi>
        </a>
        {tag.signed && (
          <span class="tag-signed" role="img" aria-label={t("tags.signed")} title={t("tags.signed")}>
            <Icon name="signed" />
          </span>
        )}
      </span>
      <span class="muted small tag-under">
        <span class="on-phones">
          <When time={tag.pushed} never="–" />
        </span>
        <code class="not-on-phones" title={tag.digest}>
          {tag.digest.slice(7, 19)}
        </code>
        {what && (
          <span title={what.title}>
            {" · "}
            {what.text}
          </span>
        )}
      </span>
    </div>
  );
}

function columns(name: string, history: (tag: string) => void): Column<Tag>[] {
  return [
    {
      id: "name",
      title: t("tags.name"),
      width: "minmax(0, 1fr)",
      sortable: true,
      cell: (tag) => <Name name={name} tag={tag} />,
    },
    {
      id: "size",
      title: t("tags.size"),
      width: "5rem",
      end: true,
      wide: true,
      cell: (tag) => <Size bytes={tag.size} />,
    },
    {
      id: "pushed",
      title: t("tags.pushed"),
      width: "8.5rem",
      sortable: true,
      wide: true,
      cell: (tag) => (
        <div class="tag-two">
          <When time={tag.pushed} never="–" />
          {tag.pushed_by && (
            <span class="muted small tag-under" title={tag.pushed_by}>
              <bdi>{tag.pushed_by.replace(/^user:/, "")}</bdi>
            </span>
          )}
        </div>
      ),
    },
    {
      id: "pulled",
      title: t("tags.pulled"),
      width: "7.5rem",
      wide: true,
      cell: (tag) => <When time={tag.pulled} never="–" />,
    },
    { id: "scan", title: t("tags.scan"), width: "6.5rem", cell: (tag) => <ScanBadge scan={tag.scan} /> },
    {
      id: "do",
      title: t("tags.actions"),
      width: "4rem",
      wide: true,
      cell: (tag) => (
        <span class="row-actions">
          <Copy text={`${host}/${name}:${tag.name}`} what={`${name}:${tag.name}`} />
          <button
            type="button"
            class="copy"
            aria-label={t("tags.historyOf", { tag: tag.name })}
            title={t("tags.historyOf", { tag: tag.name })}
            onClick={() => history(tag.name)}
          >
            <Icon name="clock" />
          </button>
        </span>
      ),
    },
  ];
}

function Nothing({
  name,
  search,
  history,
}: {
  name: string;
  search: string;
  history: (tag: string) => void;
}) {
  if (search)
    return (
      <Empty icon="search" title={t("tags.noMatch", { search })}>
        {TAG.test(search) && (
          <>
            <p>{t("tags.noMatch.do")}</p>
            <button type="button" onClick={() => history(search)}>
              <Icon name="clock" />
              {t("tags.historyOf", { tag: search })}
            </button>
          </>
        )}
      </Empty>
    );
  return (
    <Empty icon="tag" title={t("repository.empty")}>
      <p>{t("repository.empty.do")}</p>
      <Commands text={`docker push ${host}/${name}:1.0`} what="docker push" />
    </Empty>
  );
}

interface TagsProps {
  name: string;
  list: Listed<Tag>;
  sort: string;
  mayChange: boolean;
  reload: () => void;
}

export function Tags({ name, list, sort, mayChange, reload }: TagsProps) {
  const [search] = useQuery("search");
  const [history, setHistory] = useQuery("history");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [busy, setBusy] = useState(false);
  useEffect(() => setSelected(new Set()), [name]);
  const show = (tag: string) => setHistory(tag, { replace: false });
  const spoken = useStore(language);
  const shown = useMemo(() => columns(name, show), [name, spoken]);
  const chosen = list.items.filter((one) => selected.has(one.name));
  const complete = list.done && !search;

  const remove = async () => {
    if (!chosen.length || busy || !mayChange) return;
    setBusy(true);
    try {
      const stay = await deleteSelected(name, chosen, list.items, complete, reload);
      if (stay) setSelected(new Set(stay));
    } finally {
      setBusy(false);
    }
  };
  useKey("d", "keys.delete", remove);
  useKey("h", "keys.history", () => chosen[0] && show(chosen[0].name));

  const waiting = list.loading && !list.items.length;
  return (
    <>
      <div class="tags-head">
        <Filter value={search} onChange={(text) => setQuery({ search: text })} label={t("tags.search")} />
      </div>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={reload} />
      ) : waiting ? (
        <TableSkeleton />
      ) : !list.items.length ? (
        <Nothing name={name} search={search} history={show} />
      ) : (
        <Table
          label={t("tags.of", { name })}
          columns={shown}
          rows={list.items}
          id={(tag) => tag.name}
          href={(tag) => page(name, tag.name)}
          sort={{ id: sort, descending: sort === "pushed" }}
          onSort={(id) => setQuery({ sort: id })}
          {...(mayChange && { selected, onSelect: setSelected })}
          onMore={list.more}
          loading={list.loading && list.fresh}
          complete={list.done}
          rowHeight={54}
        />
      )}
      <Selection
        n={chosen.length}
        text={t("tags.selected", { n: chosen.length })}
        onClear={() => setSelected(new Set())}
      >
        {chosen.length === 1 && (
          <button type="button" onClick={() => show(chosen[0]!.name)}>
            <Icon name="clock" />
            {t("tags.history")}
          </button>
        )}
        {chosen.length === 2 && (
          <a class="button" href={at(comparePath(name, chosen[0]!, chosen[1]!))}>
            <Icon name="compare" />
            {t("tags.compare")}
          </a>
        )}
        <button type="button" class="danger" onClick={remove} disabled={busy}>
          <Icon name="trash" />
          {t("delete.action")}…
        </button>
      </Selection>
      {history && (
        <History
          key={history}
          name={name}
          tag={history}
          mayChange={mayChange}
          reload={reload}
          onClose={() => setHistory("", { replace: true })}
        />
      )}
    </>
  );
}
