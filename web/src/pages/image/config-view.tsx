/* How an image runs, and how it was built. */
import type { ComponentChildren } from "preact";
import type { Config, Descriptor, History } from "../../api/image";
import { Size } from "../../parts/size";
import { number, t } from "../../text/text";
import { Facts, Foreign, Moment, Pairs, useSome } from "./facts";

function words(list: readonly string[]): ComponentChildren {
  if (!list.length) return null;
  return (
    <Foreign
      mono
      text={list.map((one) => (/^[\w@%+=:,./-]+$/.test(one) ? one : JSON.stringify(one))).join(" ")}
    />
  );
}

function list(names: readonly string[]): ComponentChildren {
  return names.length ? <Foreign mono text={names.join(", ")} /> : null;
}

/** PATH=/bin as a pair. */
function split(one: string): [string, string] {
  const cut = one.indexOf("=");
  return cut < 0 ? [one, ""] : [one.slice(0, cut), one.slice(cut + 1)];
}

export interface Step {
  history: History;
  layer: Descriptor | null; // null: it made none
}

/** Which step made which layer: those that are not empty, in their order. */
export function steps(history: readonly History[], layers: readonly Descriptor[]): Step[] {
  let i = 0;
  const found: Step[] = history.map((one) => ({
    history: one,
    layer: one.empty_layer ? null : (layers[i++] ?? null),
  }));
  for (; i < layers.length; i++) found.push({ history: {}, layer: layers[i]! });
  return found;
}

/** What docker and buildkit write around a command says nothing. */
export function command(text: string): string {
  return text
    .replace(/^(\/bin\/sh -c )?#\(nop\)\s*/, "")
    .replace(/^\/bin\/sh -c /, "RUN ")
    .replace(/^RUN \/bin\/sh -c /, "RUN ")
    .replace(/\s*# buildkit$/, "");
}

function HistoryList({ rows }: { rows: Step[] }) {
  const [some, more] = useSome(rows);
  if (!rows.length) return null;
  return (
    <section class="part">
      <h2>
        {t("image.steps")} <span class="muted">{number(rows.length)}</span>
      </h2>
      <ol class="steps">
        {some.map(({ history, layer }, i) => (
          <li key={i} class={layer ? "" : "muted"}>
            <span class="step-size">{layer ? <Size bytes={layer.size} /> : "–"}</span>
            <span class="step-command">
              <Foreign mono text={command(history.created_by ?? "") || t("image.steps.unknown")} />
              {history.comment && <Foreign text={` ${history.comment}`} />}
            </span>
            <span class="step-time muted small">{history.created && <Moment time={history.created} />}</span>
          </li>
        ))}
      </ol>
      {more}
    </section>
  );
}

interface ConfigProps {
  config: Config;
  layers: readonly Descriptor[];
  before: readonly [string, ComponentChildren][];
}

export function ConfigView({ config, layers, before }: ConfigProps) {
  const { run, platform } = config;
  const size = layers.reduce((sum, one) => sum + one.size, 0);
  return (
    <>
      <Facts
        rows={[
          ...before,
          [t("image.platform"), platform && <Foreign text={platform} />],
          [
            t("image.size"),
            <span key="size">
              <Size bytes={size} /> <span class="muted">{t("image.inLayers", { n: layers.length })}</span>
            </span>,
          ],
          [t("image.created"), config.created && <Moment time={config.created} />],
          [t("image.author"), config.author && <Foreign text={config.author} />],
          ["Entrypoint", words(run.entrypoint)],
          ["Cmd", words(run.cmd)],
          [t("image.user"), run.user ? <Foreign mono text={run.user} /> : t("image.user.root")],
          [t("image.folder"), run.folder && <Foreign mono text={run.folder} />],
          [t("image.ports"), list(run.ports)],
          [t("image.volumes"), list(run.volumes)],
          [t("image.signal"), run.signal && <Foreign mono text={run.signal} />],
          [t("image.healthcheck"), words(run.healthcheck)],
        ]}
      />
      <Pairs label={t("image.environment")} pairs={run.env.map(split)} />
      <Pairs label={t("image.labels")} pairs={run.labels} />
      <HistoryList rows={steps(config.history, layers)} />
    </>
  );
}
