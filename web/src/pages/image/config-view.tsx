/* How an image runs, and how it was built. */
import type { ComponentChildren } from "preact";
import type { Config, Descriptor, History } from "../../api/image";
import { Size } from "../../parts/size";
import { number, t } from "../../text/text";
import { Facts, Foreign, Moment, Pairs } from "./facts";

function words(list: readonly string[] | null | undefined): ComponentChildren {
  if (!list?.length) return null;
  return (
    <Foreign
      mono
      text={list.map((one) => (/^[\w@%+=:,./-]+$/.test(one) ? one : JSON.stringify(one))).join(" ")}
    />
  );
}

function list(record: Record<string, unknown> | null | undefined): ComponentChildren {
  const names = Object.keys(record ?? {});
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
  if (!rows.length) return null;
  return (
    <section class="part">
      <h2>
        {t("image.steps")} <span class="muted">{number(rows.length)}</span>
      </h2>
      <ol class="steps">
        {rows.map(({ history, layer }, i) => (
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
    </section>
  );
}

interface ConfigProps {
  config: Config;
  layers: readonly Descriptor[];
  before: readonly [string, ComponentChildren][];
}

export function ConfigView({ config, layers, before }: ConfigProps) {
  const run = config.config ?? {};
  const platform = [config.os, config.architecture, config.variant].filter(Boolean).join("/");
  const size = layers.reduce((sum, one) => sum + one.size, 0);
  return (
    <>
      <Facts
        rows={[
          ...before,
          [t("image.platform"), platform && <bdi>{platform}</bdi>],
          [
            t("image.size"),
            <span key="size">
              <Size bytes={size} /> <span class="muted">{t("image.inLayers", { n: layers.length })}</span>
            </span>,
          ],
          [t("image.created"), config.created && <Moment time={config.created} />],
          [t("image.author"), config.author && <Foreign text={config.author} />],
          ["Entrypoint", words(run.Entrypoint)],
          ["Cmd", words(run.Cmd)],
          [t("image.user"), run.User ? <Foreign mono text={run.User} /> : t("image.user.root")],
          [t("image.folder"), run.WorkingDir && <Foreign mono text={run.WorkingDir} />],
          [t("image.ports"), list(run.ExposedPorts)],
          [t("image.volumes"), list(run.Volumes)],
          [t("image.signal"), run.StopSignal && <Foreign mono text={run.StopSignal} />],
          [t("image.healthcheck"), words(run.Healthcheck?.Test)],
        ]}
      />
      <Pairs label={t("image.environment")} pairs={(run.Env ?? []).map(split)} />
      <Pairs
        label={t("image.labels")}
        pairs={Object.entries(run.Labels ?? {}).map(([name, value]) => [name, String(value)] as const)}
      />
      <HistoryList rows={steps(config.history ?? [], layers)} />
    </>
  );
}
