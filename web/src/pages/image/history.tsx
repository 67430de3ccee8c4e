/* Who pushed the tag, when, and what it pointed to before. */
import { useGet, useList } from "../../api/client";
import { historyPath, imagePage, type Move, type TagDetails } from "../../api/image";
import { at } from "../../app/base";
import { go } from "../../app/router";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import { Facts } from "./facts";
import { here } from "./layers";
import type { PanelProps } from "./lazy";
import type { Shown } from "./shown";
import { tagPath } from "./tag-path";

function DigestLink({ name, digest }: { name: string; digest: string | null }) {
  if (!digest) return <span class="muted">–</span>;
  return (
    <a href={at(imagePage(name, digest))} title={digest}>
      <code>{digest.slice(0, 19)}…</code>
    </a>
  );
}

function columns({ image, came }: Shown): Column<Move>[] {
  return [
    { id: "time", title: t("image.history.when"), width: "9rem", cell: (r) => <When time={r.time} /> },
    {
      id: "actor",
      title: t("image.history.who"),
      width: "minmax(0, 2fr)",
      cell: (r) =>
        r.actor ? (
          <bdi title={r.actor}>{r.actor}</bdi>
        ) : (
          <span class="muted">{t("image.history.hidden")}</span>
        ),
    },
    {
      id: "digest",
      title: t("image.history.to"),
      width: "minmax(0, 3fr)",
      wide: true,
      cell: (r) =>
        r.digest ? (
          <>
            <DigestLink name={image.name} digest={r.digest} />{" "}
            {r.digest === came.digest && <span class="badge">{t("image.history.now")}</span>}
          </>
        ) : (
          <span class="muted">{t("image.history.deleted")}</span>
        ),
    },
    {
      id: "compare",
      title: t("image.compare"),
      width: "9rem",
      wide: true,
      cell: (r) =>
        r.digest && r.digest !== came.digest ? (
          <a href={here({ tab: "compare", with: r.digest })}>{t("image.history.compare")}</a>
        ) : (
          ""
        ),
    },
  ];
}

export default function TagHistory({ shown }: PanelProps) {
  const { image, came } = shown;
  const list = useList<Move>(
    historyPath(image.name, image.tag!),
    (answer) => (answer as { moves: Move[] }).moves,
  );
  const { data } = useGet<{ tags: TagDetails[] }>(tagPath(image.name, image.tag!));
  const tag = data?.tags.find((one) => one.name === image.tag && one.digest === came.digest);
  if (list.problem) return <ProblemView problem={list.problem} retry={list.reload} />;
  return (
    <>
      <Facts
        rows={[
          [t("image.pushed"), tag && <When time={tag.pushed} never="–" />],
          [t("image.pulled"), tag && <When time={tag.pulled} never={t("image.pulled.unknown")} />],
        ]}
      />
      {!list.items.length && list.loading ? (
        <TableSkeleton rows={4} />
      ) : list.items.length ? (
        <Table
          label={t("image.history")}
          columns={columns(shown)}
          rows={list.items}
          onOpen={(r) => r.digest && go(imagePage(image.name, r.digest))}
          id={(r) => `${r.time} ${r.digest}`}
          onMore={list.more}
          loading={list.loading}
          complete={list.done}
        />
      ) : (
        <p class="muted">{t("image.history.none")}</p>
      )}
    </>
  );
}
