/* What configs of charts and models say, and their cards. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { Markdown } from "../../../parts/markdown";
import { t } from "../../../text/text";
import { Facts, Foreign, useSome } from "../facts";

const NAMES = 50; // of a list in a chart

type Json = Record<string, unknown>;

function text(value: unknown): ComponentChildren {
  if (typeof value === "string" && value) return <Foreign text={value} />;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return null;
}

function names(value: unknown, show: (one: Json) => string): ComponentChildren {
  if (!Array.isArray(value) || !value.length) return null;
  const list = value
    .map((one) => (typeof one === "string" ? one : show((one ?? {}) as Json)))
    .filter(Boolean);
  return (
    <ul class="names">
      {list.slice(0, NAMES).map((one, i) => (
        <li key={i}>
          <Foreign text={one} />
        </li>
      ))}
      {list.length > NAMES && <li class="muted">{t("delete.more", { n: list.length - NAMES })}</li>}
    </ul>
  );
}

export function Chart({ meta }: { meta: Json }) {
  return (
    <>
      {typeof meta.description === "string" && (
        <p class="part">
          <Foreign text={meta.description} />
        </p>
      )}
      <Facts
        rows={[
          [t("image.chart.name"), text(meta.name)],
          [t("image.version"), text(meta.version)],
          [t("image.chart.app"), text(meta.appVersion)],
          [t("image.chart.kube"), text(meta.kubeVersion)],
          [t("image.type"), text(meta.type)],
          [t("image.chart.home"), text(meta.home)],
          [t("image.chart.deprecated"), meta.deprecated === true ? t("image.chart.deprecated.yes") : null],
          [
            t("image.chart.dependencies"),
            names(meta.dependencies, (one) =>
              [one.name, one.version, one.repository].filter(Boolean).join(" · "),
            ),
          ],
          [
            t("image.chart.maintainers"),
            names(meta.maintainers, (one) => [one.name, one.email].filter(Boolean).join(" · ")),
          ],
        ]}
      />
    </>
  );
}

/** Every value of a config that is one, with the names of what it is in. */
function flat(meta: Json, outer = "", depth = 0): [string, unknown][] {
  return Object.entries(meta).flatMap(([key, value]): [string, unknown][] => {
    const name = outer ? `${outer}.${key}` : key;
    if (key === "rootfs" || key === "modelfs" || key === "diff_ids") return [];
    if (Array.isArray(value)) {
      const plain = value.filter((one) => typeof one === "string" || typeof one === "number");
      return plain.length ? [[name, plain.join(", ")]] : [];
    }
    if (value && typeof value === "object") return depth < 3 ? flat(value as Json, name, depth + 1) : [];
    return value === null || value === "" ? [] : [[name, value]];
  });
}

export function Params({ meta }: { meta: Json }) {
  const [some, more] = useSome(useMemo(() => flat(meta), [meta]));
  return (
    <>
      <Facts rows={some.map(([name, value]): [string, ComponentChildren] => [name, text(value)])} />
      {more}
    </>
  );
}

/** README of a chart, card of a model. */
export function Card({ title, text: words }: { title: string; text: string }) {
  return (
    <section class="part">
      <h2>{title}</h2>
      <div class="card">
        <Markdown text={words} />
      </div>
    </section>
  );
}
