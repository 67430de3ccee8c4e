/* What each layer adds and wastes. */
import {
  type AnalysedLayer,
  type Analysis,
  apiPath,
  patient,
  type Suggestion,
  useLoad,
} from "../../api/image";
import { at } from "../../app/base";
import { changedQuery, place } from "../../app/router";
import { ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { bytesText } from "../../parts/units";
import { visible } from "../../parts/visible";
import { language, number, type TextKey, t } from "../../text/text";
import { command } from "./config-view";
import { Figure, Foreign, Note, shortDigest, Waiting } from "./facts";
import type { PanelProps } from "./lazy";

const LARGEST = 12;

export function useAnalysis({ image, platform }: PanelProps["shown"]) {
  return useLoad(apiPath(image, "analysis", { platform }), async (signal) => {
    const answer = await patient(apiPath(image, "analysis", { platform }), signal);
    return (await answer.json()) as Analysis;
  });
}

function percent(part: number, whole: number): string {
  const share = whole > 0 ? part / whole : 0;
  return share.toLocaleString(language.get(), { style: "percent", maximumFractionDigits: 1 });
}

/** This page with another tab. */
export function here(changes: Record<string, string>): string {
  const { path, query } = place.get();
  return at(path + changedQuery(query, changes));
}

const codes = new Set(["deleted-later", "replaced-later", "written-again", "cache", "duplicates"]);

/** In the reader's language; as the registry says it when its kind is not known here. */
function suggestionText(one: Suggestion, { caches }: Analysis): string {
  const cache = caches.find((c) => c.layer === one.layer && c.size_bytes === one.bytes);
  if (!codes.has(one.code) || (one.code === "cache" && !cache)) return one.text;
  return t(`image.suggestion.${one.code}` as TextKey, {
    layer: one.layer ?? "",
    of: one.of_layer ?? "",
    size: bytesText(one.bytes),
    kind: cache?.kind ?? "",
    path: cache?.path ?? "",
  });
}

/** How large, and in it how much is wasted; the numbers stand beside it. */
function Bar({ layer, largest }: { layer: AnalysedLayer; largest: number }) {
  const width = (bytes: number) => `${largest > 0 ? (100 * bytes) / largest : 0}%`;
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width: width(Math.max(0, layer.size_bytes - layer.wasted_bytes)) }} />
      <span class="waste" style={{ width: width(layer.wasted_bytes) }} />
    </span>
  );
}

function Layer({ layer, largest }: { layer: AnalysedLayer; largest: number }) {
  return (
    <li>
      <div class="layer-head">
        <span class="muted">{layer.index}</span>
        <span class="layer-command">
          <Foreign mono text={command(layer.command) || t("image.steps.unknown")} />
        </span>
        <Size bytes={layer.size_bytes} />
      </div>
      <Bar layer={layer} largest={largest} />
      <div class="layer-facts muted small">
        <span>{t("image.layer.added", { n: layer.added })}</span>
        {layer.changed > 0 && <span>{t("image.layer.changed", { n: layer.changed })}</span>}
        {layer.deleted > 0 && <span>{t("image.layer.deleted", { n: layer.deleted })}</span>}
        {layer.wasted_bytes > 0 && (
          <span class="waste-text">
            {t("image.layer.wasted")} <Size bytes={layer.wasted_bytes} />
          </span>
        )}
        <span>
          {t("image.layer.packed")} <Size bytes={layer.packed_bytes} />
        </span>
        <code title={layer.digest}>{shortDigest(layer.digest)}</code>
        <a href={here({ tab: "files", layer: String(layer.index), path: "" })}>
          {t("image.layer.files", { n: layer.files })}
        </a>
      </div>
    </li>
  );
}

export default function Layers({ shown }: PanelProps) {
  const { data, problem, reload } = useAnalysis(shown);
  if (problem?.status === 422) return <Note bad>{problem.message}</Note>;
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Waiting />;
  const largest = Math.max(0, ...data.layers.map((one) => one.size_bytes));
  const { image } = data;
  return (
    <>
      <div class="figures">
        <Figure name={t("image.unpacked")}>
          <Size bytes={image.size_bytes} />
        </Figure>
        <Figure name={t("image.packed")}>
          <Size bytes={image.packed_bytes} />
        </Figure>
        <Figure name={t("image.fileCount")}>{number(image.files)}</Figure>
        <Figure name={t("image.wasted")}>
          <Size bytes={image.wasted_bytes} />
        </Figure>
        <Figure name={t("image.efficiency")}>{percent(data.efficiency.score, 1)}</Figure>
      </div>
      {data.suggestions.length > 0 && (
        <section class="part">
          <h2>{t("image.suggestions")}</h2>
          <ul class="suggestions">
            {data.suggestions.map((one) => (
              <li key={one.text}>
                <Foreign text={suggestionText(one, data)} english={!codes.has(one.code)} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="part">
        <h2>
          {t("image.layers")} <span class="muted">{number(data.layers.length)}</span>
        </h2>
        <ol class="layers">
          {data.layers.map((one) => (
            <Layer key={one.index} layer={one} largest={largest} />
          ))}
        </ol>
      </section>
      {data.largest.length > 0 && (
        <section class="part">
          <h2>{t("image.largest")}</h2>
          <ul class="largest">
            {data.largest.slice(0, LARGEST).map((one) => (
              <li key={one.path}>
                <a
                  href={here({ tab: "files", layer: "", path: one.path.slice(0, one.path.lastIndexOf("/")) })}
                >
                  <bdi class="mono">{visible(one.path)}</bdi>
                </a>
                <Size bytes={one.size_bytes} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
