/* What a repository is, by what its latest image says of itself. */
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../../api/client";
import type { RepositoryDetails } from "../../api/repositories";
import { blobJson, manifestOf } from "../../api/tags";
import { Copy } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { kindOf, kindText } from "../../parts/kind";
import { Markdown } from "../../parts/markdown";
import { Skeleton } from "../../parts/skeleton";
import { visible } from "../../parts/visible";
import { type TextKey, t } from "../../text/text";

type Says = Record<string, string>;

const PREFIX = "org.opencontainers.image.";
const CONFIG_MAX_BYTES = 1 << 20;
const facts = [
  "title",
  "version",
  "vendor",
  "authors",
  "licenses",
  "created",
  "revision",
  "base.name",
] as const;
const links = ["url", "documentation", "source"] as const;

interface Descriptor {
  digest: string;
  size: number;
  mediaType: string;
}

interface AnyManifest {
  manifests?: Descriptor[];
  config?: Descriptor;
}

interface AnyConfig {
  config?: { Labels?: Record<string, unknown> | null }; // of an image
  [chart: string]: unknown; // of a chart: what its Chart.yaml says
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

function chartSays(chart: AnyConfig): Says {
  const people = Array.isArray(chart.maintainers) ? chart.maintainers : [];
  return {
    title: text(chart.name),
    version: text(chart.version),
    description: text(chart.description),
    url: text(chart.home),
    source: text(Array.isArray(chart.sources) ? chart.sources[0] : ""),
    authors: people
      .map((one) => text(one?.name))
      .filter(Boolean)
      .join(", "),
  };
}

function labelsSay(config: AnyConfig): Says {
  const all = Object.entries(config.config?.Labels ?? {}).filter(([key]) => key.startsWith(PREFIX));
  return Object.fromEntries(all.map(([key, value]) => [key.slice(PREFIX.length), text(value)]));
}

/** What the config of an image or a chart says: its labels, for images that were built without annotations. */
async function configSays(of: RepositoryDetails): Promise<Says> {
  const latest = of.latest;
  if (!latest) return {};
  const read = async (digest: string) =>
    JSON.parse(new TextDecoder().decode((await manifestOf(of.name, digest)).bytes)) as AnyManifest;
  let manifest = await read(latest.digest);
  const child = manifest.manifests?.[0];
  if (child) manifest = await read(child.digest);
  const config = manifest.config;
  if (!config || config.size > CONFIG_MAX_BYTES || !/[/+.]json$/.test(config.mediaType)) return {};
  const json = await blobJson<AnyConfig | null>(of.name, config.digest);
  if (typeof json !== "object" || !json) return {};
  return kindOf(latest) === "chart" ? chartSays(json) : labelsSay(json);
}

const SHOWN = 300; // characters of a value: more is no fact

/** A link only where it is one of the web; else what was written. */
function Value({ value }: { value: string }) {
  if (value.length > SHOWN) return <bdi>{visible(value.slice(0, SHOWN))}…</bdi>;
  if (!/^https?:\/\/\S+$/i.test(value)) return <bdi>{visible(value)}</bdi>;
  return (
    <a href={value} rel="noopener noreferrer nofollow">
      <bdi>{visible(value.replace(/^https?:\/\//i, ""))}</bdi>
    </a>
  );
}

export function About({ of }: { of: RepositoryDetails }) {
  const annotations = Object.fromEntries(
    Object.entries(of.annotations ?? {}).map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
  const [config, setConfig] = useState<{ of: string; says: Says } | null>(null);
  const digest = of.latest?.digest ?? "";
  const wanted = !annotations.description && !!digest;
  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    const take = (says: Says) => !gone && setConfig({ of: digest, says });
    configSays(of).then(take, (e) => {
      if (!(e instanceof Problem || e instanceof SyntaxError)) throw e;
      take({}); // it says nothing that can be read: the annotations are all there is
    });
    return () => {
      gone = true;
    };
  }, [digest, wanted]);
  if (wanted && config?.of !== digest) return <Skeleton lines={6} />;

  const says: Says = { ...config?.says, ...annotations };
  const shown = [...facts, ...links].filter((key) => says[key]);
  if (!shown.length && !says.description)
    return (
      <Empty icon="info" title={t("repository.about.none")}>
        <p>{t("repository.about.none.do")}</p>
      </Empty>
    );
  return (
    <div class="repository-about">
      <div class="readme">
        {says.description ? (
          <Markdown text={says.description} />
        ) : (
          <p class="muted">{t("repository.about.noText")}</p>
        )}
      </div>
      <dl class="about-facts">
        {of.latest && (
          <div>
            <dt>{t("repository.about.latest")}</dt>
            <dd>
              <bdi>{of.latest.tag}</bdi> · {kindText(kindOf(of.latest, of.latest.tag))}
              <br />
              <code title={digest}>{digest.slice(0, 19)}…</code>
              <Copy text={digest} what={t("repository.digest")} />
            </dd>
          </div>
        )}
        {shown.map((key) => (
          <div key={key}>
            <dt>{t(`repository.about.${key}` as TextKey)}</dt>
            <dd>
              <Value value={says[key]!} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
