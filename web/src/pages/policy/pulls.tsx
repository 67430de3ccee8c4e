/* The pull policy: its rules in force, and what others would have blocked. */
import { useState } from "preact/hooks";
import { Problem, useGet } from "../../api/client";
import { severities } from "../../api/image";
import { type PullRule, pullPolicyPath, type Simulated, type Simulation, simulate } from "../../api/policy";
import { Empty } from "../../parts/empty";
import { Fields, useAction } from "../../parts/form";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { type Column, Table } from "../../parts/table";
import { When } from "../../parts/when";
import { number, t } from "../../text/text";

const DAYS = 7;
const DAYS_MAX = 3650;

const isNone = (duration: string | number) => String(duration) === "0" || duration === "0s";

const modes = ["enforce", "warn", "off"] as const;

/* Words of the configuration, in the reader's language; what is not known stays as it is. */
function modeText(mode: string): string {
  const known = modes.find((one) => one === mode);
  return known ? t(`pulls.mode.${known}`) : mode;
}

function severityText(severity: string): string {
  const known = severities.find((one) => one === severity);
  return known ? t(`severity.${known}`) : severity;
}

function unscannedText(what: string): string {
  if (what === "allow" || what === "block") return t(`pulls.unscanned.${what}`);
  const time = /^block after (\S+)$/.exec(what)?.[1];
  return time ? t("pulls.unscanned.after", { time }) : what;
}

function Rule({ rule, i }: { rule: PullRule; i: number }) {
  const mode = rule.mode === "enforce" ? "state-bad" : rule.mode === "warn" ? "state-warn" : "";
  return (
    <section class="panel">
      <h2>
        {i + 1}. {rule.repositories.join(", ")} <span class={`badge ${mode}`}>{modeText(rule.mode)}</span>
      </h2>
      <dl class="facts">
        <dt>{t("pulls.severity")}</dt>
        <dd>
          {severityText(rule.severity)}
          {rule.fixable && ` (${t("pulls.fixable")})`}
        </dd>
        <dt>{t("pulls.grace")}</dt>
        <dd>{isNone(rule.grace) ? t("pulls.atOnce") : String(rule.grace)}</dd>
        <dt>{t("pulls.unscanned")}</dt>
        <dd>{unscannedText(rule.unscanned)}</dd>
        <dt>{t("pulls.dataMaxAge")}</dt>
        <dd>{isNone(rule.data_max_age) ? t("pulls.anyAge") : String(rule.data_max_age)}</dd>
        <dt>VEX</dt>
        <dd>{t(rule.vex ? "pulls.vex.on" : "pulls.vex.off")}</dd>
        {!!rule.allow?.length && (
          <>
            <dt>{t("pulls.allow")}</dt>
            <dd>
              {rule.allow.map((one) => (
                <p key={`${one.cve} ${one.package}`}>
                  <b>{[one.cve, one.package, one.repositories?.join(", ")].filter(Boolean).join(" ")}</b>:{" "}
                  {one.reason}
                  <span class="muted">
                    {" "}
                    {one.author} {t("pulls.until", { day: one.expires })}
                  </span>
                </p>
              ))}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

function columns(): Column<Simulated>[] {
  return [
    {
      id: "image",
      title: t("pulls.image"),
      cell: (s) => (
        <span title={`${s.repository} ${s.digest}`}>
          <b>{s.repository}</b>
          {s.reference.includes(":") ? "@" : ":"}
          {s.reference}
        </span>
      ),
      width: "minmax(0, 1.25fr)",
    },
    {
      id: "verdict",
      title: t("pulls.verdict"),
      cell: (s) => (
        <span class={`badge ${s.blocked ? "state-bad" : "state-warn"}`}>
          {t(s.blocked ? "pulls.blocked" : "pulls.warned")}
        </span>
      ),
      width: "7rem",
    },
    {
      id: "why",
      title: t("pulls.why"),
      cell: (s) => (
        <span title={s.message} lang="en">
          {s.message}
        </span>
      ),
      width: "minmax(0, 2fr)",
      wide: true,
    },
    {
      id: "pulled",
      title: t("pulls.pulled"),
      cell: (s) => <When time={s.pulled_at} />,
      width: "8rem",
      wide: true,
    },
  ];
}

function Outcome({ of }: { of: Simulation }) {
  return (
    <>
      <div class="figures" role="status">
        <div class="figure">
          <b>{number(of.pulls)}</b>
          <span>{t("pulls.n", { n: of.days })}</span>
        </div>
        <div class="figure">
          <b>{number(of.blocked)}</b>
          <span>{t("pulls.n.blocked")}</span>
        </div>
        <div class="figure">
          <b>{number(of.warned)}</b>
          <span>{t("pulls.n.warned")}</span>
        </div>
        <div class="figure">
          <b>{number(of.gone)}</b>
          <span>{t("pulls.n.gone")}</span>
        </div>
      </div>
      <p class="lead">
        {of.recorded_since ? (
          <>
            {t("pulls.since")} <When time={of.recorded_since} />.
          </>
        ) : (
          t("pulls.notRecorded")
        )}{" "}
        {of.truncated && t("pulls.truncated", { n: of.images.length })}
      </p>
      {!!of.images.length && (
        <Table
          label={t("pulls.outcome")}
          columns={columns()}
          rows={of.images}
          id={(s) => `${s.repository} ${s.reference} ${s.digest} ${s.pulled_at}`}
        />
      )}
    </>
  );
}

/** JSON of rules; what is no JSON is said here, what is no rule by the registry. */
function rulesOf(text: string): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Problem(400, "NOT_JSON", t("pulls.notJson", { why: (e as Error).message }));
  }
}

function Simulate({ rules }: { rules: PullRule[] }) {
  const action = useAction();
  const [outcome, setOutcome] = useState<Simulation | null>(null);
  const first = rules.length
    ? rules
    : [{ repositories: ["**"], severity: "critical", fixable: true, unscanned: "allow" }];
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const form = new Fields(e.currentTarget as HTMLFormElement);
    setOutcome(null);
    action.run(async () =>
      setOutcome(await simulate(Number(form.text("days")) || DAYS, rulesOf(form.text("rules")))),
    );
  };
  return (
    <>
      <form class="panel" onSubmit={submit}>
        <h2>{t("pulls.simulate")}</h2>
        <p class="muted">{t("pulls.simulate.what")}</p>
        <label class="field">
          {t("pulls.rules")}
          <textarea
            name="rules"
            rows={10}
            spellcheck={false}
            defaultValue={JSON.stringify(first, null, 2)}
            aria-describedby="pulls-help"
          />
          <span class="muted small" id="pulls-help">
            {t("pulls.rules.help")}
          </span>
        </label>
        <label class="field days">
          {t("pulls.days")}
          <input name="days" type="number" min={1} max={DAYS_MAX} defaultValue={String(DAYS)} required />
        </label>
        <ProblemLine problem={action.problem} />
        <button type="submit" class="primary" disabled={action.busy}>
          {t("pulls.simulate.do")}
        </button>
      </form>
      {outcome && <Outcome of={outcome} />}
    </>
  );
}

export function PullPolicyTab() {
  const { data, problem, reload } = useGet<{ pull_policy: PullRule[] }>(pullPolicyPath);
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton lines={6} />;
  const rules = data.pull_policy;
  return (
    <>
      <p class="lead">{t("pulls.lead")}</p>
      {!rules.length && (
        <Empty icon="shield" title={t("pulls.empty")}>
          <p>{t("pulls.empty.do")}</p>
        </Empty>
      )}
      {rules.map((rule, i) => (
        <Rule key={i} rule={rule} i={i} />
      ))}
      <Simulate rules={rules} />
    </>
  );
}
