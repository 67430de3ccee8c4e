/* The packages of an image: of the list that a scan has left, else as the analysis finds them. */
import { useMemo } from "preact/hooks";
import { ask, Problem } from "../../api/client";
import { type Analysis, apiPath, manifestPath, type Package, patient, useLoad } from "../../api/image";
import { at } from "../../app/base";
import { setQuery, useQuery } from "../../app/router";
import { Filter } from "../../parts/filter";
import { Icon } from "../../parts/icon";
import { ProblemView } from "../../parts/problem";
import { type Column, Table } from "../../parts/table";
import { visible } from "../../parts/visible";
import { number, t } from "../../text/text";
import { Note, Waiting } from "./facts";
import type { PanelProps } from "./lazy";
import { packagesOf } from "./sbom";
import type { Shown } from "./shown";

interface Found {
  list: Package[];
  total: number;
  why: string | null; // there is no list of a scan
}

function sbomPath({ image, platform }: Shown, format: string): string {
  const query = new URLSearchParams({ format, ...(platform ? { platform } : {}) });
  return `${manifestPath(image.name, image.reference)}/sbom?${query}`;
}

/** The list of a scan comes first; null: there is none, and `why`. */
async function fromScan(shown: Shown, signal: AbortSignal): Promise<{ list: Package[] | null; why: string }> {
  try {
    const answer = await ask("GET", sbomPath(shown, "cyclonedx"), null, {
      signal,
      headers: { Accept: "*/*" },
    });
    const list = packagesOf(await answer.json());
    return { list: list?.length ? list : null, why: "" };
  } catch (e) {
    if (e instanceof Problem && [400, 404, 503].includes(e.status)) return { list: null, why: e.message };
    throw e;
  }
}

async function load(shown: Shown, signal: AbortSignal): Promise<Found> {
  const scan = await fromScan(shown, signal);
  if (scan.list) return { list: scan.list, total: scan.list.length, why: null };
  const path = apiPath(shown.image, "analysis", { platform: shown.platform });
  const { packages } = (await (await patient(path, signal)).json()) as Analysis;
  return { list: packages.list, total: packages.count, why: scan.why };
}

export function packageColumns(more: "layer" | "license"): Column<Package>[] {
  return [
    {
      id: "name",
      title: t("image.package"),
      width: "minmax(0, 3fr)",
      cell: (r) => (
        <bdi class="name" title={r.path ? `${r.name}\n${r.path}` : r.name}>
          {visible(r.name)}
        </bdi>
      ),
    },
    {
      id: "version",
      title: t("image.version"),
      width: "minmax(0, 2fr)",
      cell: (r) => <bdi title={r.version}>{visible(r.version)}</bdi>,
    },
    {
      id: "kind",
      title: t("image.type"),
      width: "6rem",
      wide: true,
      cell: (r) => <bdi>{visible(r.kind)}</bdi>,
    },
    more === "layer"
      ? {
          id: "layer",
          title: t("image.layer"),
          width: "4rem",
          end: true,
          wide: true,
          cell: (r) => r.layer ?? "",
        }
      : {
          id: "license",
          title: t("image.license"),
          width: "minmax(0, 2fr)",
          wide: true,
          cell: (r) => <bdi title={r.license}>{visible(r.license ?? "")}</bdi>,
        },
  ];
}

/** A list of packages with a field that filters it. */
export function PackageList({ list, more }: { list: readonly Package[]; more: "layer" | "license" }) {
  const [search] = useQuery("search");
  const rows = useMemo(() => {
    const wanted = search.toLowerCase();
    return list.filter((one) => `${one.name} ${one.version} ${one.kind}`.toLowerCase().includes(wanted));
  }, [list, search]);
  return (
    <>
      <div class="bar-top">
        <Filter
          value={search}
          onChange={(text) => setQuery({ search: text })}
          label={t("image.packages.search")}
        />
        <span class="muted">{t("image.packageCount", { n: rows.length })}</span>
      </div>
      {rows.length ? (
        <Table
          label={t("image.packages")}
          columns={packageColumns(more)}
          rows={rows}
          id={(r) => `${r.kind} ${r.name} ${r.version} ${r.path ?? ""} ${r.layer ?? ""}`}
        />
      ) : (
        <p class="muted">{t("image.packages.noMatch", { search })}</p>
      )}
    </>
  );
}

export default function Packages({ shown }: PanelProps) {
  const { data, problem, reload } = useLoad(shown.child, (signal) => load(shown, signal));
  if (problem?.status === 422) return <Note bad>{problem.message}</Note>;
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Waiting />;
  const scanned = data.why === null;
  return (
    <>
      {data.list.length ? (
        <PackageList list={data.list} more={scanned ? "license" : "layer"} />
      ) : (
        <p class="muted">{t("image.packages.none")}</p>
      )}
      {data.total > data.list.length && (
        <p class="muted">{t("image.packages.more", { shown: data.list.length, n: data.total })}</p>
      )}
      {scanned ? (
        <p class="scan-facts small">
          <a class="button" href={at(sbomPath(shown, "cyclonedx"))} download="sbom.cyclonedx.json">
            <Icon name="download" />
            CycloneDX
          </a>
          <a class="button" href={at(sbomPath(shown, "spdx"))} download="sbom.spdx.json">
            <Icon name="download" />
            SPDX
          </a>
        </p>
      ) : (
        <Note>
          {t("image.packages.byAnalysis", { n: number(data.total) })}{" "}
          {data.why && <bdi lang="en">{data.why}</bdi>}
        </Note>
      )}
    </>
  );
}
