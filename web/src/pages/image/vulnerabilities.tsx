/* What a scan found, by severity; and what is otherwise since another tag. */
import { useEffect, useState } from "preact/hooks";
import { ask, get, Problem, send, useGet } from "../../api/client";
import {
  allPages,
  type Counts,
  type Finding,
  type ScanReport,
  scanPath,
  severities,
  type TagDetails,
  tagsPath,
  useLoad,
} from "../../api/image";
import { setQuery, useQuery } from "../../app/router";
import { Commands } from "../../parts/copy";
import { Dialog } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import { useAction } from "../../parts/form";
import { ProblemView } from "../../parts/problem";
import { SeverityBadge } from "../../parts/severity";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table } from "../../parts/table";
import { toast } from "../../parts/toast";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";
import { Facts, Foreign, Note, shortDigest } from "./facts";
import { here } from "./layers";
import type { PanelProps } from "./lazy";
import { type Pages, usePages } from "./pages";
import { save } from "./save";
import type { Shown } from "./shown";

const AGAIN_MS = 1500;
const MAX_PAGES = 5;
const TAGS_TO_CHOOSE = "50";

const configured = `scan:
  on_push: true
  trivy:
    path: trivy
    cache_dir: /var/lib/registry/scan/trivy`;

function columns(): Column<Finding>[] {
  return [
    {
      id: "severity",
      title: t("image.severity"),
      width: "6.5rem",
      cell: (r) => <SeverityBadge worst={r.severity} />,
    },
    {
      id: "cve",
      title: t("image.finding"),
      width: "minmax(0, 3fr)",
      cell: (r) => (
        <span title={visible(r.title ?? r.cve)}>
          <bdi class="name">{visible(r.cve)}</bdi> <bdi class="muted not-phone">{visible(r.title ?? "")}</bdi>
          <bdi class="muted only-phone">{visible(r.package)}</bdi>
        </span>
      ),
    },
    {
      id: "package",
      title: t("image.package"),
      width: "minmax(0, 2fr)",
      wide: true,
      cell: (r) => (
        <span title={`${r.package} ${r.installed_version}`}>
          <bdi>{visible(r.package)}</bdi> <bdi class="muted">{visible(r.installed_version)}</bdi>
        </span>
      ),
    },
    {
      id: "fixed",
      title: t("image.fixedIn"),
      width: "minmax(0, 1fr)",
      wide: true,
      cell: (r) =>
        r.fixed_version ? (
          <bdi title={r.fixed_version}>{visible(r.fixed_version)}</bdi>
        ) : (
          <span class="muted">–</span>
        ),
    },
  ];
}

function idOf(r: Finding): string {
  return [r.cve, r.package, r.installed_version, r.path, r.purl, r.layer].join(" ");
}

/** The same finding in another image: versions may differ. */
function sameAs(r: Finding): string {
  return `${r.cve} ${r.package}`;
}

function webLink(link: string | undefined): string | null {
  return link && /^https:\/\//.test(link) ? link : null;
}

/** The layer that brought it, with its files. */
function LayerLink({ shown, digest }: { shown: Shown; digest: string }) {
  const i = shown.came.manifest.layers?.findIndex((one) => one.digest === digest) ?? -1;
  const short = <code title={digest}>{shortDigest(digest)}</code>;
  if (i < 0) return short;
  return (
    <a href={here({ tab: "files", layer: String(i), path: "" })}>
      {i} · {short}
    </a>
  );
}

interface DetailsProps {
  shown: Shown;
  finding: Finding;
  onClose: () => void;
}

function Details({ shown, finding, onClose }: DetailsProps) {
  const link = webLink(finding.link);
  return (
    <Dialog wide title={visible(finding.cve).slice(0, 200)} onClose={onClose}>
      <div class="dialog-body">
        <p>
          <SeverityBadge worst={finding.severity} />{" "}
          {finding.title && finding.title !== finding.description && <Foreign text={finding.title} />}
        </p>
        {finding.description && <Foreign text={finding.description} />}
        <Facts
          rows={[
            [
              t("image.package"),
              <Foreign key="p" mono text={`${finding.package} ${finding.installed_version}`} />,
            ],
            [
              t("image.fixedIn"),
              finding.fixed_version ? (
                <Foreign key="f" mono text={finding.fixed_version} />
              ) : (
                t("image.noFix")
              ),
            ],
            ["CVSS", finding.cvss && <span title={finding.cvss.vector}>{number(finding.cvss.score)}</span>],
            [t("image.files.path"), finding.path && <Foreign mono text={finding.path} />],
            [t("image.layer"), finding.layer && <LayerLink shown={shown} digest={finding.layer} />],
            ["purl", finding.purl && <Foreign mono text={finding.purl} />],
            [t("image.knownSince"), finding.since && <When time={finding.since} />],
            [
              t("image.moreOf"),
              link && (
                <a href={link} target="_blank" rel="noopener noreferrer">
                  {link.slice(0, 200)}
                </a>
              ),
            ],
          ]}
        />
      </div>
    </Dialog>
  );
}

/** A button a severity: pressed ones are shown; none pressed is all. */
function Filters({ counts, severity, fixable }: { counts: Counts; severity: string; fixable: string }) {
  const chosen = new Set(severity.split(",").filter(Boolean));
  const press = (one: string) => {
    const next = new Set(chosen);
    if (!next.delete(one)) next.add(one);
    setQuery({ severity: severities.filter((s) => next.has(s)).join(",") });
  };
  return (
    <div class="chips" role="group" aria-label={t("image.filter")}>
      {severities.map((one) => (
        <button
          key={one}
          type="button"
          class="chip"
          aria-pressed={chosen.has(one)}
          disabled={!counts[one] && !chosen.has(one)}
          onClick={() => press(one)}
        >
          <SeverityBadge worst={one} count={counts[one]} />
        </button>
      ))}
      <button
        type="button"
        class="chip"
        aria-pressed={fixable === "true"}
        onClick={() => setQuery({ fixable: fixable === "true" ? "" : "true" })}
      >
        <span class="badge">{t("image.fixable")}</span>
      </button>
    </div>
  );
}

interface Change {
  appeared: Finding[];
  gone: Finding[];
  both: number;
  more: boolean;
}

async function compare(shown: Shown, other: string, signal: AbortSignal): Promise<Change> {
  const load = (reference: string) =>
    allPages<ScanReport, Finding>(
      scanPath(shown.image.name, reference, { platform: shown.platform, n: "1000" }),
      (page) => page.details,
      MAX_PAGES,
      signal,
    );
  const [now, then] = await Promise.all([load(shown.image.reference), load(other)]);
  if (then.first.vulnerabilities === null)
    throw new Problem(404, "NOT_SCANNED", t("image.since.notScanned", { other }));
  const keep = new Set(now.items.map(sameAs));
  const old = new Set(then.items.map(sameAs));
  return {
    appeared: now.items.filter((one) => !old.has(sameAs(one))),
    gone: then.items.filter((one) => !keep.has(sameAs(one))),
    both: [...keep].filter((one) => old.has(one)).length,
    more: now.more || then.more,
  };
}

function Findings({ shown, title, list }: { shown: Shown; title: string; list: Finding[] }) {
  const [open, setOpen] = useState<Finding | null>(null);
  if (!list.length) return null;
  return (
    <section class="part">
      <h2>
        {title} <span class="muted">{number(list.length)}</span>
      </h2>
      <Table label={title} columns={columns()} rows={list} id={idOf} onOpen={setOpen} />
      {open && <Details shown={shown} finding={open} onClose={() => setOpen(null)} />}
    </section>
  );
}

function Changed({ shown, since }: { shown: Shown; since: string }) {
  const { data, problem, reload } = useLoad(`${since} ${shown.platform}`, (signal) =>
    compare(shown, since, signal),
  );
  if (problem?.code === "NOT_SCANNED") return <Note>{problem.message}</Note>;
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton />;
  return (
    <>
      {data.more && <Note>{t("image.since.more")}</Note>}
      <p class="since-sum">
        {data.appeared.length || data.gone.length
          ? t("image.since.sum", { appeared: data.appeared.length, gone: data.gone.length, both: data.both })
          : t("image.since.same", { other: since })}
      </p>
      <Findings shown={shown} title={t("image.since.appeared")} list={data.appeared} />
      <Findings shown={shown} title={t("image.since.gone")} list={data.gone} />
    </>
  );
}

/** Which tag to look back to: the one that was pushed before this one comes first. */
function Since({ shown, since }: { shown: Shown; since: string }) {
  const [open, setOpen] = useState(since !== "");
  const { data } = useGet<{ tags: TagDetails[] }>(
    open ? tagsPath(shown.image.name, { sort: "pushed", n: TAGS_TO_CHOOSE }) : null,
  );
  const all = (data?.tags ?? []).filter((one) => one.artifact_type === null);
  const me = all.findIndex((one) => one.name === shown.image.tag || one.digest === shown.came.digest);
  const tags = all.filter((one) => one.name !== shown.image.tag && one.digest !== shown.came.digest);
  const last = all.slice(me + 1).find((one) => one.digest !== shown.came.digest) ?? tags[0];
  useEffect(() => {
    if (open && !since && last) setQuery({ since: last.name });
  }, [open, last?.name]);
  if (!open)
    return (
      <button type="button" onClick={() => setOpen(true)}>
        {t("image.since.show")}
      </button>
    );
  if (data && !tags.length) return <span class="muted">{t("image.since.none")}</span>;
  return (
    <label class="since">
      {t("image.since.tag")}
      <select class="choose" value={since} onChange={(e) => setQuery({ since: e.currentTarget.value })}>
        {since && !tags.some((one) => one.name === since) && <option value={since}>{since}</option>}
        {tags.map((one) => (
          <option key={one.name} value={one.name}>
            {one.name}
          </option>
        ))}
      </select>
      <button
        type="button"
        onClick={() => {
          setOpen(false);
          setQuery({ since: "" });
        }}
      >
        {t("image.since.hide")}
      </button>
    </label>
  );
}

const formats = [
  { type: "application/sarif+json", name: "SARIF", ending: "sarif.json" },
  { type: "application/vnd.cyclonedx+json", name: "CycloneDX VEX", ending: "vex.json" },
] as const;

function Report({ shown, scan }: { shown: Shown; scan: ScanReport }) {
  const download = async (one: (typeof formats)[number]) => {
    const answer = await ask(
      "GET",
      scanPath(shown.image.name, shown.image.reference, { platform: shown.platform }),
      null,
      {
        headers: { Accept: one.type },
      },
    );
    save(await answer.blob(), `${shown.image.name.split("/").pop()}.${one.ending}`);
  };
  const failed = (e: unknown) => toast(e instanceof Problem ? e.message : String(e), { bad: true });
  return (
    <p class="muted small scan-facts">
      {scan.scanned_at && (
        <span>
          {t("image.scanned")} <When time={scan.scanned_at} />
        </span>
      )}
      {scan.scanner && <bdi>{`${scan.scanner.name} ${scan.scanner.version ?? ""}`}</bdi>}
      {scan.os && <bdi>{`${scan.os.family} ${scan.os.name ?? ""}`}</bdi>}
      <span>{t("image.packageCount", { n: scan.packages })}</span>
      {scan.vulnerabilities &&
        formats.map((one) => (
          <button key={one.type} type="button" class="link" onClick={() => download(one).catch(failed)}>
            {one.name}
          </button>
        ))}
      <AskScan shown={shown} again />
    </p>
  );
}

const asked = new EventTarget();

function AskScan({ shown, again }: { shown: Shown; again?: boolean }) {
  const { busy, problem, run } = useAction();
  const wanted = async () => {
    const path = scanPath(shown.image.name, shown.image.reference, again ? { force: "true" } : {});
    if (await run(() => send("POST", path))) asked.dispatchEvent(new Event("asked"));
  };
  return (
    <>
      {problem && (
        <span role="alert" class="bad">
          {problem.message || t("problem.title")}{" "}
        </span>
      )}
      <button type="button" class={again ? "link" : "primary"} disabled={busy} onClick={wanted}>
        {t(again ? "image.scanAgain" : "image.scanNow")}
      </button>
    </>
  );
}

/** Nothing was found out: why, and what to do. */
function NotScanned({ shown, scan }: { shown: Shown; scan: ScanReport }) {
  const { data, problem } = useGet<unknown>(scan.status === "not_scanned" ? "/api/v1/scan/data" : null);
  if (scan.status === "not_applicable") return <Note>{t("image.scan.not_applicable")}</Note>;
  if (scan.status === "unsupported" || scan.status === "failed")
    return (
      <>
        <Note bad>
          <p>{t(`image.scan.${scan.status}`)}</p>
          <Foreign text={scan.reason ?? scan.failure?.reason ?? ""} english />
        </Note>
        <AskScan shown={shown} />
      </>
    );
  if (!data && !problem) return <Skeleton />;
  if (problem?.status === 404)
    return (
      <Empty icon="shield" title={t("image.scan.off")}>
        <p>{t("image.scan.off.do")}</p>
        <Commands text={configured} what="scan" />
        <p class="small">{t("image.scan.docs")}</p>
      </Empty>
    );
  return (
    <Empty icon="shield" title={t("image.scan.not_scanned")}>
      <p>{t("image.scan.not_scanned.do")}</p>
      <AskScan shown={shown} />
    </Empty>
  );
}

function List({ list, shown }: { list: Pages<ScanReport, Finding>; shown: Shown }) {
  const { platform } = shown;
  const [severity] = useQuery("severity");
  const [fixable] = useQuery("fixable");
  const [open, setOpen] = useState<Finding | null>(null);
  const scan = list.first!;
  if (!list.items.length) {
    if (severity || fixable)
      return (
        <p class="muted">
          {t("image.noMatch")} <a href={here({ severity: "", fixable: "" })}>{t("app.clear")}</a>
        </p>
      );
    return (
      <Empty icon="shield" title={t(scan.partial ? "image.cleanPart" : "image.clean")}>
        <p>{t(scan.partial ? "image.cleanPart.do" : "image.clean.do")}</p>
      </Empty>
    );
  }
  return (
    <>
      <Table
        key={`${severity} ${fixable} ${platform}`}
        label={t("image.vulnerabilities")}
        columns={columns()}
        rows={list.items}
        id={idOf}
        onOpen={setOpen}
        onMore={list.more}
        loading={list.loading}
        complete={list.done}
      />
      {open && <Details shown={shown} finding={open} onClose={() => setOpen(null)} />}
    </>
  );
}

/** What one has to know of a result before one believes it. */
function Doubts({ scan }: { scan: ScanReport }) {
  if (!scan.vulnerabilities) return null;
  return (
    <>
      {scan.partial && (
        <Note bad>
          <p>{t("image.scan.partial")}</p>
          {scan.note && <Foreign text={scan.note} english />}
        </Note>
      )}
      {scan.failure && (
        <Note bad>
          <p>{t("image.scan.lastFailed")}</p>
          {scan.failure.reason && <Foreign text={scan.failure.reason} english />}
        </Note>
      )}
    </>
  );
}

/** Asks again as long as a scan is on its way. */
function useAgain(shown: Shown, scan: ScanReport | null, reload: () => void) {
  const busy = scan && (["queued", "running"].includes(scan.status) || scan.rescan);
  useEffect(() => {
    asked.addEventListener("asked", reload);
    return () => asked.removeEventListener("asked", reload);
  });
  useEffect(() => {
    if (!busy) return;
    const path = scanPath(shown.image.name, shown.image.reference, { platform: shown.platform, n: "0" });
    const timer = setInterval(async () => {
      const now = await get<ScanReport>(path).catch(() => null);
      if (now && !["queued", "running"].includes(now.status) && !now.rescan) reload();
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [busy]);
  return busy;
}

export default function Vulnerabilities({ shown }: PanelProps) {
  const [severity] = useQuery("severity");
  const [fixable] = useQuery("fixable");
  const [since] = useQuery("since");
  const { image, platform } = shown;
  const path = scanPath(image.name, image.reference, { severity, fixable, platform });
  const list = usePages<ScanReport, Finding>(path, (page) => page.details);
  const [kept, keep] = useState<ScanReport | null>(null);
  useEffect(() => {
    if (list.first) keep(list.first);
  }, [list.first]);
  const scan = list.first ?? kept;
  const busy = useAgain(shown, scan, list.reload);
  if (list.problem) return <ProblemView problem={list.problem} retry={list.reload} />;
  if (!scan) return <Skeleton lines={6} />;
  return (
    <>
      {busy && (
        <p class="note" role="status">
          {t(scan.status === "queued" ? "image.scan.queued" : "image.scan.running")}
        </p>
      )}
      {scan.os?.ended && <Note bad>{t("image.scan.ended")}</Note>}
      <Doubts scan={scan} />
      {scan.vulnerabilities ? (
        <>
          <div class="bar-top">
            <Filters counts={scan.vulnerabilities} severity={severity} fixable={fixable} />
            <Since shown={shown} since={since} />
          </div>
          {since ? (
            <Changed shown={shown} since={since} />
          ) : list.first ? (
            <List list={list} shown={shown} />
          ) : (
            <Skeleton lines={6} />
          )}
          <Report shown={shown} scan={scan} />
        </>
      ) : (
        !busy && <NotScanned shown={shown} scan={scan} />
      )}
    </>
  );
}
