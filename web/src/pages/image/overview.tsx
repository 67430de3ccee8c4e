/* The first tab: of an image how it runs, of an index its platforms, of an artifact what it is. */
import { useGet } from "../../api/client";
import {
  type Came,
  type Descriptor,
  imagePage,
  LOOK_BYTES,
  loadText,
  parseConfig,
  type TagDetails,
  useLoad,
} from "../../api/image";
import { at } from "../../app/base";
import { changedQuery, go, place } from "../../app/router";
import { Copy } from "../../parts/copy";
import { kindText } from "../../parts/kind";
import { ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table } from "../../parts/table";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";
import { ConfigView } from "./config-view";
import { Facts, Note, Pairs } from "./facts";
import { kindOfDescriptor, platformText, pretty } from "./kind";
import { Lazy } from "./lazy";
import type { Shown } from "./shown";
import { tagPath } from "./tag-path";

const artifact = () => import("./artifact/artifact");

export function pairsOf(record: Record<string, string> | null | undefined): [string, string][] {
  return Object.entries(record ?? {}).map(([name, value]) => [name, String(value)]);
}

/** The manifest as it was pushed. */
export function Raw({ shown }: { shown: Shown }) {
  const text = new TextDecoder().decode(shown.came.bytes);
  return (
    <details class="raw">
      <summary>{t("image.manifest")}</summary>
      <div class="commands">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must the keys */}
        <pre tabIndex={0}>{pretty(text)}</pre>
        <Copy text={text} what={t("image.manifest")} />
      </div>
    </details>
  );
}

export function Digest({ digest }: { digest: string }) {
  return (
    <>
      <code class="image-long">{digest}</code>
      <Copy text={digest} what={t("image.digest")} />
    </>
  );
}

/** All that is transferred with it: config and layers, each once. */
export function sizeOf(parts: readonly (Descriptor | undefined)[]): number {
  const sizes = new Map(parts.flatMap((one) => (one ? [[one.digest, one.size] as const] : [])));
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}

function SubjectLine({ shown }: { shown: Shown }) {
  const { subject } = shown.came.manifest;
  if (!subject) return null;
  return (
    <a href={at(imagePage(shown.image.name, subject.digest))}>
      <code>{subject.digest.slice(0, 19)}…</code>
    </a>
  );
}

/** An image whose config nobody can look into: what its manifest says. */
export function LargeConfig({ of: { manifest, digest } }: { of: Pick<Came, "manifest" | "digest"> }) {
  return (
    <>
      <Facts
        rows={[
          [t("image.digest"), <Digest key="d" digest={digest} />],
          [t("image.size"), <Size key="s" bytes={sizeOf([manifest.config, ...(manifest.layers ?? [])])} />],
        ]}
      />
      <Note bad>{t("image.config.tooLarge")}</Note>
    </>
  );
}

function ImageOverview({ shown }: { shown: Shown }) {
  const { manifest } = shown.came;
  const large = (manifest.config?.size ?? 0) > LOOK_BYTES;
  const digest = large ? null : (manifest.config?.digest ?? null);
  const { data, problem, reload } = useLoad(digest, async (signal) => {
    return parseConfig(await loadText(shown.image.name, digest!, signal));
  });
  return (
    <>
      {large || problem?.code === "TOO_LARGE" ? (
        <LargeConfig of={shown.came} />
      ) : problem ? (
        <ProblemView problem={problem} retry={reload} />
      ) : data ? (
        <ConfigView
          config={data}
          layers={manifest.layers ?? []}
          before={[[t("image.digest"), <Digest key="d" digest={shown.came.digest} />]]}
        />
      ) : (
        digest && <Skeleton lines={8} />
      )}
      <Pairs label={t("image.annotations")} pairs={pairsOf(manifest.annotations)} />
      <Raw shown={shown} />
    </>
  );
}

interface Row {
  descriptor: Descriptor;
  text: string;
  size: number | null | undefined;
}

function columns(name: string): Column<Row>[] {
  return [
    {
      id: "platform",
      title: t("image.platform"),
      width: "minmax(0, 2fr)",
      cell: (r) => (
        <span class="name">
          {r.text || (
            <a href={at(imagePage(name, r.descriptor.digest))}>{kindText(otherKind(r.descriptor))}</a>
          )}
        </span>
      ),
    },
    { id: "size", title: t("image.size"), width: "6rem", end: true, cell: (r) => <Size bytes={r.size} /> },
    {
      id: "digest",
      title: t("image.digest"),
      width: "minmax(0, 3fr)",
      wide: true,
      cell: (r) => (
        <>
          <a href={at(imagePage(name, r.descriptor.digest))} title={r.descriptor.digest}>
            <code>{r.descriptor.digest.slice(0, 27)}…</code>
          </a>
          <Copy text={r.descriptor.digest} what={t("image.digest")} />
        </>
      ),
    },
  ];
}

function otherKind(one: Descriptor) {
  if (one.annotations?.["vnd.docker.reference.type"] === "attestation-manifest") return "attestation";
  return kindOfDescriptor(one);
}

function IndexOverview({ shown }: { shown: Shown }) {
  const { image, came } = shown;
  const path = image.tag === null ? null : tagPath(image.name, image.tag);
  const { data } = useGet<{ tags: TagDetails[] }>(path);
  const tag = data?.tags.find((one) => one.name === image.tag && one.digest === came.digest);
  const rows = (came.manifest.manifests ?? []).map((descriptor) => ({
    descriptor,
    text: platformText(descriptor),
    size: tag ? (tag.platforms.find((one) => one.digest === descriptor.digest)?.size ?? null) : undefined,
  }));
  const open = (row: Row) => {
    if (!row.text) return go(imagePage(image.name, row.descriptor.digest));
    const { path: here, query } = place.get();
    const platform = row.text === shown.platforms[0]?.text ? "" : row.text;
    go(here + changedQuery(query, { platform, tab: "configuration" }));
  };
  return (
    <>
      <Facts
        rows={[
          [t("image.digest"), <Digest key="d" digest={came.digest} />],
          [t("image.size"), tag && tag.size !== null && <Size bytes={tag.size} />],
          [
            t("image.pushed"),
            tag && (
              <>
                <When time={tag.pushed} never="–" />
                {tag.pushed_by && (
                  <>
                    {" · "}
                    <bdi>{tag.pushed_by}</bdi>
                  </>
                )}
              </>
            ),
          ],
          [t("image.pulled"), tag?.pulled && <When time={tag.pulled} />],
        ]}
      />
      <section class="part">
        <h2>
          {t("image.platforms")} <span class="muted">{number(shown.platforms.length)}</span>
        </h2>
        {rows.length ? (
          <Table
            label={t("image.platforms")}
            columns={columns(image.name)}
            rows={rows}
            id={(r) => r.descriptor.digest}
            onOpen={open}
          />
        ) : (
          <p class="muted">{t("image.platforms.none")}</p>
        )}
      </section>
      <Pairs label={t("image.annotations")} pairs={pairsOf(came.manifest.annotations)} />
      <Raw shown={shown} />
    </>
  );
}

function ArtifactOverview({ shown }: { shown: Shown }) {
  const { manifest, digest } = shown.came;
  return (
    <>
      <Facts
        rows={[
          [t("image.digest"), <Digest key="d" digest={digest} />],
          [t("image.size"), <Size key="s" bytes={sizeOf([manifest.config, ...(manifest.layers ?? [])])} />],
          [t("image.type"), manifest.artifactType ?? manifest.config?.mediaType],
          [t("image.subject"), manifest.subject && <SubjectLine shown={shown} />],
        ]}
      />
      <Lazy load={artifact} shown={shown} />
      <Pairs label={t("image.annotations")} pairs={pairsOf(manifest.annotations)} />
      <Raw shown={shown} />
    </>
  );
}

export function Overview({ shown }: { shown: Shown }) {
  if (shown.kind === "index") return <IndexOverview shown={shown} />;
  if (shown.kind === "image") return <ImageOverview shown={shown} />;
  return <ArtifactOverview shown={shown} />;
}
