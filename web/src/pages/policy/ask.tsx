/* Who may do this, and why: the question is in the address. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../../api/client";
import { actions, type Decision, decide, type Question } from "../../api/policy";
import { identity } from "../../api/session";
import { setQuery, useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Fields, listOf } from "../../parts/form";
import { Icon } from "../../parts/icon";
import { ProblemLine } from "../../parts/problem";
import { t } from "../../text/text";
import { RuleFacts } from "./rule";

/** What one wants to do, within a sentence. */
function actionText(action: string): string {
  const known = actions.find((one) => one === action);
  return known ? t(`policy.verb.${known}`) : action;
}

function Answer({ decision, question }: { decision: Decision; question: Question }) {
  const what = question.repository
    ? `${question.repository}${question.tag ? `:${question.tag}` : ""}`
    : t("policy.registry");
  return (
    <section class={`panel answer ${decision.allowed ? "yes" : "no"}`} aria-live="polite">
      <h2>
        <Icon name={decision.allowed ? "check" : "close"} />
        {t(decision.allowed ? "policy.yes" : "policy.no", {
          subject: question.subject,
          action: actionText(question.action),
          what,
        })}
      </h2>
      <p lang="en">{decision.why}</p>
      {decision.rule && <RuleFacts rule={decision.rule} />}
    </section>
  );
}

export function TestTab() {
  const [subject] = useQuery("subject");
  const [action] = useQuery("action");
  const [repository] = useQuery("repository");
  const [tag] = useQuery("tag");
  const [groups] = useQuery("groups");
  const [answer, setAnswer] = useState<{ question: Question; decision: Decision } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  const known = useStore(identity).state !== "unknown"; // a POST has the token of the session
  useEffect(() => {
    if (!known || !subject || !action) return;
    let mine = true;
    const question: Question = { subject, action };
    if (repository) question.repository = repository;
    if (tag) question.tag = tag;
    if (groups) question.groups = listOf(groups);
    decide(question).then(
      (decision) => {
        if (!mine) return;
        setProblem(null);
        setAnswer({ question, decision });
      },
      (e) => {
        if (!(e instanceof Problem)) throw e;
        if (!mine) return;
        setAnswer(null);
        setProblem(e);
      },
    );
    return () => {
      mine = false;
    };
  }, [known, subject, action, repository, tag, groups, turn]);
  const fields = useRef<HTMLFormElement>(null);
  // The way back shows what was asked before.
  useEffect(() => {
    for (const [name, value] of Object.entries({
      subject,
      action: action || "pull",
      repository,
      tag,
      groups,
    })) {
      const field = fields.current?.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | null;
      if (field) field.value = value;
    }
  }, [subject, action, repository, tag, groups]);
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const form = new Fields(e.currentTarget as HTMLFormElement);
    const asked: Record<string, string> = {};
    for (const key of ["subject", "action", "repository", "tag", "groups"]) asked[key] = form.text(key);
    setQuery(asked, { replace: false });
    setTurn(turn + 1); // the same again is asked again: rules may have changed
  };
  return (
    <div class="two">
      <form class="panel" onSubmit={submit} ref={fields}>
        <label class="field">
          {t("policy.subject")}
          <input
            name="subject"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            placeholder="user:alice"
            data-search
            aria-describedby="subject-help"
          />
          <span class="muted small" id="subject-help">
            {t("policy.subject.help")}
          </span>
        </label>
        <label class="field">
          {t("policy.action")}
          <select name="action">
            {actions.map((one) => (
              <option key={one} value={one}>
                {t(`policy.action.${one}`)}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {t("policy.repository")}
          <input name="repository" autocomplete="off" spellcheck={false} placeholder="dev/app" />
        </label>
        <label class="field">
          {t("policy.tag")}
          <input name="tag" autocomplete="off" spellcheck={false} placeholder="v1" />
        </label>
        <label class="field">
          {t("policy.groups")}
          <input
            name="groups"
            autocomplete="off"
            spellcheck={false}
            placeholder="dev, qa"
            aria-describedby="groups-help"
          />
          <span class="muted small" id="groups-help">
            {t("policy.groups.help")}
          </span>
        </label>
        <button type="submit" class="primary">
          {t("policy.ask")}
        </button>
      </form>
      <div>
        <ProblemLine problem={problem} />
        {answer && <Answer {...answer} />}
        {!answer && !problem && <p class="muted">{t("policy.ask.hint")}</p>}
      </div>
    </div>
  );
}
