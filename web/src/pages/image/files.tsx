/* The files of an image, as a container sees them or as one layer has them. */
import { useState } from "preact/hooks";
import { ask } from "../../api/client";
import { apiPath, type Entry, type Folder, useLoad } from "../../api/image";
import { at } from "../../app/base";
import { setQuery, useQuery } from "../../app/router";
import { Copy } from "../../parts/copy";
import { Dialog } from "../../parts/dialog";
import { Icon, type IconName } from "../../parts/icon";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import { Facts, Note } from "./facts";
import { aimOf, bytesOf, fromQuery, join, textOf, toQuery, withPath } from "./file-path";
import { isText } from "./kind";
import { here } from "./layers";
import type { PanelProps } from "./lazy";
import { usePages } from "./pages";
import type { Shown } from "./shown";

const VIEW_BYTES = 256 * 1024; // of a file that is shown

const icons: Partial<Record<Entry["kind"], IconName>> = {
  folder: "folder",
  symlink: "link",
  hardlink: "link",
};

/** path: percent-encoded, as all in here. */
function Crumbs({ path }: { path: string }) {
  const parts = path.split("/").filter(Boolean);
  return (
    <nav class="crumbs mono" aria-label={t("image.files.where")}>
      <a href={here({ path: "" })} aria-label={t("image.files.top")}>
        /
      </a>
      {parts.map((one, i) => {
        const to = `/${parts.slice(0, i + 1).join("/")}`;
        return (
          <span key={to}>
            {i > 0 && <span class="muted">/</span>}
            <a href={here({ path: toQuery(to) })} aria-current={i === parts.length - 1 ? "page" : undefined}>
              <bdi>{visible(textOf(one))}</bdi>
            </a>
          </span>
        );
      })}
    </nav>
  );
}

function columns(layered: boolean): Column<Entry>[] {
  return [
    {
      id: "name",
      title: t("image.files.name"),
      width: "minmax(0, 3fr)",
      cell: (r) => (
        <span class={r.kind === "whiteout" ? "file gone" : "file"} title={visible(r.name)}>
          <Icon name={icons[r.kind] ?? "file"} />
          <bdi class="name mono">{visible(r.name)}</bdi>
          {r.link !== undefined && (
            <bdi class="muted mono">
              {" → "}
              {visible(r.link)}
            </bdi>
          )}
          {r.kind === "whiteout" && <span class="muted">{t("image.files.whiteout")}</span>}
        </span>
      ),
    },
    {
      id: "size",
      title: t("image.size"),
      width: "6rem",
      end: true,
      cell: (r) => (r.kind === "file" ? <Size bytes={r.size} /> : ""),
    },
    {
      id: "mode",
      title: t("image.files.mode"),
      width: "4.5rem",
      wide: true,
      cell: (r) => <code>{r.mode ?? ""}</code>,
    },
    {
      id: "owner",
      title: t("image.files.owner"),
      width: "6rem",
      wide: true,
      cell: (r) => (r.uid === undefined ? "" : <code>{`${r.uid}:${r.gid}`}</code>),
    },
    {
      id: "modified",
      title: t("image.files.modified"),
      width: "9rem",
      wide: true,
      cell: (r) => (r.modified && !r.modified.startsWith("1970-01-01") ? <When time={r.modified} /> : ""),
    },
    ...(layered
      ? []
      : [
          {
            id: "layer",
            title: t("image.layer"),
            width: "4rem",
            end: true,
            wide: true,
            cell: (r: Entry) => r.layer ?? "",
          },
        ]),
  ];
}

function View({
  path,
  entry,
  at: url,
  onClose,
}: {
  path: string;
  entry: Entry;
  at: string;
  onClose: () => void;
}) {
  const small = (entry.size ?? 0) <= VIEW_BYTES;
  const { data, problem } = useLoad(small ? url : null, async (signal) => {
    const answer = await ask("GET", url, null, { signal, headers: { Accept: "*/*" } });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return isText(bytes) ? { text: new TextDecoder().decode(bytes) } : { text: null };
  });
  return (
    <Dialog wide title={visible(entry.name).slice(0, 200)} onClose={onClose}>
      <Facts
        rows={[
          [
            t("image.files.path"),
            <span key="p">
              <bdi class="mono image-long">{visible(textOf(path))}</bdi>
              <Copy text={textOf(path)} what={t("image.files.path")} />
            </span>,
          ],
          [t("image.size"), <Size key="s" bytes={entry.size} />],
        ]}
      />
      {problem && <ProblemLine problem={problem} />}
      {small && !data && !problem && <Skeleton lines={4} />}
      {!small && <p class="muted">{t("image.files.large")}</p>}
      {data &&
        (data.text === null ? (
          <p class="muted">{t("image.files.binary")}</p>
        ) : (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must the keys
          <pre class="file-text" tabIndex={0}>
            {visible(data.text)}
          </pre>
        ))}
      <footer>
        {data?.text && <Copy text={data.text} what={t("image.files.contents")} />}
        <a class="button" href={at(url)} download={entry.name}>
          <Icon name="download" />
          {t("image.download")}
        </a>
      </footer>
    </Dialog>
  );
}

function ChooseLayer({ shown, layer }: { shown: Shown; layer: string }) {
  const layers = shown.kind === "image" ? (shown.came.manifest.layers?.length ?? 0) : Number(layer || -1) + 1;
  // Of an index how many there are is not known here; the one that was chosen can be left.
  if (!layers) return null;
  return (
    <select
      class="choose"
      aria-label={t("image.layer")}
      value={layer}
      onChange={(e) => setQuery({ layer: e.currentTarget.value, path: "" })}
    >
      <option value="">{t("image.files.all")}</option>
      {Array.from({ length: layers }, (_, i) => (
        <option key={i} value={String(i)}>
          {t("image.files.layer", { layer: i })}
        </option>
      ))}
    </select>
  );
}

export default function Files({ shown }: PanelProps) {
  const [asked] = useQuery("path", "/");
  const path = fromQuery(asked);
  const [layer] = useQuery("layer");
  const [open, setOpen] = useState<{ path: string; entry: Entry } | null>(null);
  const base = { platform: shown.platform, layer };
  const list = usePages<Folder, Entry>(
    withPath(apiPath(shown.image, "tree", base), path),
    (page) => page.entries,
  );
  const where = list.first ? bytesOf(list.first.path, list.first.path_percent) : path;
  const show = (entry: Entry) => {
    const to = join(where, bytesOf(entry.name, entry.name_percent));
    if (entry.kind === "folder") setQuery({ path: toQuery(to) }, { replace: false });
    else if (entry.kind === "symlink" && entry.link)
      setQuery({ path: toQuery(aimOf(where, bytesOf(entry.link, entry.link_percent))) }, { replace: false });
    else if (entry.kind === "file" || entry.kind === "hardlink") setOpen({ path: to, entry });
  };
  return (
    <>
      <div class="bar-top">
        <Crumbs path={where} />
        <ChooseLayer shown={shown} layer={layer} />
      </div>
      {list.problem?.status === 422 ? (
        <Note bad>{list.problem.message}</Note>
      ) : list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !list.first ? (
        <TableSkeleton rows={8} />
      ) : list.first.kind !== "folder" ? (
        <Note>
          {t("image.files.noFolder")}{" "}
          <a href={at(withPath(apiPath(shown.image, "file", base), where))}>{t("image.download")}</a>
        </Note>
      ) : !list.items.length ? (
        <p class="muted">{t("image.files.empty")}</p>
      ) : (
        <Table
          key={`${where} ${layer}`}
          label={t("image.files")}
          columns={columns(layer !== "")}
          rows={list.items}
          id={(r) => r.name + (r.name_percent ?? "")}
          onOpen={show}
          onMore={list.more}
          loading={list.loading}
          complete={list.done}
        />
      )}
      {open && (
        <View
          {...open}
          at={withPath(apiPath(shown.image, "file", base), open.path)}
          onClose={() => setOpen(null)}
        />
      )}
    </>
  );
}
