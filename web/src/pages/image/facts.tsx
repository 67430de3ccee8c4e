import { type ComponentChildren, Fragment } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../../parts/icon";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";

const LONG = 300; // characters of a foreign text that are shown at first
const AT_FIRST = 200; // of a list that others made
const AND_MORE = 1000;

/** Some of a list that others may have made endless, and a button for more of it. */
export function useSome<T>(all: readonly T[]): [readonly T[], ComponentChildren] {
  const [n, show] = useState(AT_FIRST);
  const left = all.length - n;
  const more = left > 0 && (
    <p>
      <button type="button" onClick={() => show(n + AND_MORE)}>
        {t("image.more", { n: Math.min(left, AND_MORE), left })}
      </button>
    </p>
  );
  return [left > 0 ? all.slice(0, n) : all, more];
}

/** Names and values; what has no value is left out. */
export function Facts({ rows }: { rows: readonly [string, ComponentChildren][] }) {
  const there = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (!there.length) return null;
  return (
    <dl class="facts">
      {there.map(([name, value]) => (
        <Fragment key={name}>
          <dt>
            <Foreign text={name} />
          </dt>
          <dd>{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

/** Text of others: all of it, but a long one behind a button; its direction stays its own. `english`: of the registry. */
export function Foreign({
  text: written,
  mono,
  english,
}: {
  text: string;
  mono?: boolean;
  english?: boolean;
}) {
  const text = visible(written);
  const class_ = mono ? "foreign mono" : "foreign";
  const lang = english ? "en" : undefined;
  if (text.length <= LONG)
    return (
      <bdi class={class_} lang={lang}>
        {text}
      </bdi>
    );
  return (
    <details class="long" lang={lang}>
      <summary>
        <bdi class={class_}>{text.slice(0, LONG)}…</bdi>
      </summary>
      <bdi class={class_}>{text.slice(LONG)}</bdi>
    </details>
  );
}

/** A time that others wrote: perhaps it is none. */
export function Moment({ time }: { time: string }) {
  return Number.isNaN(Date.parse(time)) ? <Foreign text={time} /> : <When time={time} />;
}

/** Names and values that others gave: labels, annotations, variables. */
export function Pairs({ pairs, label }: { pairs: readonly (readonly [string, string])[]; label: string }) {
  const [some, more] = useSome(pairs);
  if (!pairs.length) return null;
  return (
    <section class="part">
      <h2>
        {label} <span class="muted">{number(pairs.length)}</span>
      </h2>
      <dl class="pairs">
        {some.map(([name, value], i) => (
          <div key={i}>
            <dt>
              <Foreign text={name} mono />
            </dt>
            <dd>
              <Foreign text={value} mono />
            </dd>
          </div>
        ))}
      </dl>
      {more}
    </section>
  );
}

/** A sentence beside what it is about. */
export function Note({ children, bad }: { children: ComponentChildren; bad?: boolean }) {
  return (
    <div class={bad ? "note bad" : "note"}>
      <Icon name={bad ? "warning" : "info"} />
      <div>{children}</div>
    </div>
  );
}

/** A number that stands out, with its name. */
export function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="figure">
      <span class="muted small">{name}</span>
      <b>{children}</b>
    </div>
  );
}

/** A digest, short, whole on hover. */
export function shortDigest(digest: string): string {
  const cut = digest.indexOf(":") + 1;
  return digest.slice(cut, cut + 12);
}

export function Waiting() {
  return (
    <p class="note" role="status">
      <Icon name="info" />
      {t("image.reading")}
    </p>
  );
}
