/* What this image has otherwise than another one. */
import { useState } from "preact/hooks";
import { useGet } from "../../api/client";
import {
  apiPath,
  type Diff,
  type Difference,
  type Image,
  nameOf,
  parseImage,
  type TagDetails,
  tagsPath,
} from "../../api/image";
import { useQuery } from "../../app/router";
import { Empty } from "../../parts/empty";
import { ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { type Column, Table } from "../../parts/table";
import { visible } from "../../parts/visible";
import { number, t } from "../../text/text";
import { Figure, Foreign, Note, Waiting } from "./facts";
import type { PanelProps } from "./lazy";
import { type Pages, usePages } from "./pages";

const TAGS = "50";

/** "1.0" is a tag of the same repository; else NAME:TAG, NAME@DIGEST or a digest. */
function otherOf(image: Image, text: string): Image | null {
  if (!text) return null;
  if (/^\w[\w+.-]*:[0-9a-f]{32,}$/.test(text)) return { name: image.name, reference: text, tag: null };
  return parseImage(text) ?? { name: image.name, reference: text, tag: text };
}

function withOf(image: Image, other: Image): string {
  return image.name === other.name ? image.reference : nameOf(image);
}

const signs = { added: "+", removed: "−", changed: "~" } as const;

function Change({ row }: { row: Difference }) {
  const before = row.before?.kind === "file" ? (row.before.size ?? 0) : null;
  const after = row.after?.kind === "file" ? (row.after.size ?? 0) : null;
  if (row.change === "changed" && before !== after)
    return (
      <>
        <Size bytes={before} /> → <Size bytes={after} />
      </>
    );
  return <Size bytes={after ?? before} />;
}

function what(row: Difference): string {
  const names = row.what ?? [];
  return names.map((one) => t(`image.differs.${one as "kind"}`)).join(", ");
}

function columns(): Column<Difference>[] {
  return [
    {
      id: "change",
      title: "±",
      width: "1.25rem",
      cell: (r) => (
        <span class={`sign ${r.change}`} title={t(`image.diff.${r.change}`)}>
          {signs[r.change]}
          <span class="offscreen">{t(`image.diff.${r.change}`)}</span>
        </span>
      ),
    },
    {
      id: "path",
      title: t("image.files.path"),
      width: "minmax(0, 4fr)",
      cell: (r) => (
        <bdi class="name mono" title={r.path}>
          {visible(r.path)}
        </bdi>
      ),
    },
    { id: "what", title: t("image.diff.what"), width: "minmax(0, 2fr)", wide: true, cell: what },
    {
      id: "size",
      title: t("image.size"),
      width: "11rem",
      end: true,
      cell: (r) => <Change row={r} />,
      wide: true,
    },
  ];
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Settings({ diff }: { diff: Diff }) {
  if (!diff.config.length) return null;
  return (
    <section class="part">
      <h2>
        {t("image.diff.config")} <span class="muted">{number(diff.config.length)}</span>
      </h2>
      <dl class="pairs">
        {diff.config.map((one) => (
          <div key={one.key}>
            <dt>
              <Foreign mono text={one.key} />
            </dt>
            <dd>
              <del>
                <Foreign mono text={valueText(one.before)} />
              </del>
              <ins>
                <Foreign mono text={valueText(one.after)} />
              </ins>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function PackageChanges({ diff }: { diff: Diff }) {
  const { added, removed } = diff.packages;
  if (!added.length && !removed.length) return null;
  const rows = [
    ...removed.map((one) => ({ ...one, change: "removed" as const })),
    ...added.map((one) => ({ ...one, change: "added" as const })),
  ].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return (
    <section class="part">
      <h2>
        {t("image.packages")} <span class="muted">{number(rows.length)}</span>
      </h2>
      <ul class="changes">
        {rows.map((one) => (
          <li key={`${one.change} ${one.kind} ${one.name} ${one.version}`}>
            <span class={`sign ${one.change}`} title={t(`image.diff.${one.change}`)}>
              {signs[one.change]}
            </span>
            <span>
              <bdi>{visible(one.name)}</bdi> <bdi class="muted">{visible(one.version)}</bdi>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Found({ list, other }: { list: Pages<Diff, Difference>; other: string }) {
  const diff = list.first!;
  const { added, removed, changed } = diff.files;
  const none =
    !list.items.length && !diff.config.length && !diff.packages.added.length && !diff.packages.removed.length;
  return (
    <>
      <div class="figures">
        <Figure name={t("image.size")}>
          <Size bytes={diff.before.size_bytes} /> → <Size bytes={diff.after.size_bytes} />
        </Figure>
        <Figure name={t("image.diff.added")}>{number(added.files)}</Figure>
        <Figure name={t("image.diff.removed")}>{number(removed.files)}</Figure>
        <Figure name={t("image.diff.changed")}>{number(changed.files)}</Figure>
        <Figure name={t("image.diff.common")}>
          {t("image.diff.commonOf", { common: diff.common_layers, n: diff.after.layers })}
        </Figure>
      </div>
      {none && <p>{t("image.diff.same", { other })}</p>}
      <Settings diff={diff} />
      <PackageChanges diff={diff} />
      {list.items.length > 0 && (
        <section class="part">
          <h2>{t("image.files")}</h2>
          <Table
            label={t("image.files")}
            columns={columns()}
            rows={list.items}
            id={(r) => r.path}
            onMore={list.more}
            loading={list.loading}
            complete={list.done}
          />
        </section>
      )}
    </>
  );
}

function Ask({ image, other, set }: { image: Image; other: string; set: (text: string) => void }) {
  const { data } = useGet<{ tags: TagDetails[] }>(tagsPath(image.name, { sort: "pushed", n: TAGS }));
  const [text, setText] = useState(other);
  const tags = (data?.tags ?? []).filter((one) => one.name !== image.tag && one.artifact_type === null);
  return (
    <form
      class="bar-top compare"
      onSubmit={(e) => {
        e.preventDefault();
        set(text.trim());
      }}
    >
      <label>
        {t("image.compare.with")}
        <input
          value={text}
          list="compare-tags"
          placeholder={t("image.compare.placeholder")}
          autocomplete="off"
          spellcheck={false}
          onInput={(e) => setText(e.currentTarget.value)}
        />
      </label>
      <datalist id="compare-tags">
        {tags.map((one) => (
          <option key={one.name} value={one.name} />
        ))}
      </datalist>
      <button type="submit" class="primary" disabled={!text.trim()}>
        {t("image.compare")}
      </button>
      {tags.slice(0, 5).map((one) => (
        <button
          key={one.name}
          type="button"
          class="plain"
          onClick={() => {
            setText(one.name);
            set(one.name);
          }}
        >
          <bdi>{one.name}</bdi>
        </button>
      ))}
    </form>
  );
}

/** The other one is what was before, so "+" is what this image has. */
export default function Compare({ shown }: PanelProps) {
  const { image, platform } = shown;
  const [text, set] = useQuery("with");
  const other = otherOf(image, text);
  const path = other && apiPath(other, "diff", { with: withOf(image, other), platform });
  const list = usePages<Diff, Difference>(path, (page) => page.files.list);
  return (
    <>
      <Ask key={text} image={image} other={text} set={(next) => set(next, { replace: false })} />
      {!other ? (
        <Empty icon="compare" title={t("image.compare.empty")}>
          <p>{t("image.compare.empty.do")}</p>
        </Empty>
      ) : list.problem?.status === 422 || list.problem?.status === 400 ? (
        <Note bad>{list.problem.message}</Note>
      ) : list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : list.first ? (
        <Found list={list} other={text} />
      ) : (
        <Waiting />
      )}
    </>
  );
}
