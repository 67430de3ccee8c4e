import type { Rule } from "../../api/policy";
import { t } from "../../text/text";

export function Effect({ effect }: { effect: string }) {
  return (
    <span class={`badge ${effect === "deny" ? "state-bad" : "state-ok"}`}>
      {effect === "allow" || effect === "deny" ? t(`policy.effect.${effect}`) : effect}
    </span>
  );
}

export function Origin({ rule }: { rule: Rule }) {
  return <>{t(rule.origin === "file" ? "policy.origin.file" : "policy.origin.api")}</>;
}

/** A rule in a sentence of facts. */
export function RuleFacts({ rule }: { rule: Rule }) {
  return (
    <dl class="facts">
      <dt>{t("policy.effect")}</dt>
      <dd>
        <Effect effect={rule.effect} />
      </dd>
      <dt>{t("policy.subjects")}</dt>
      <dd>{rule.subjects.join(", ")}</dd>
      <dt>{t("policy.actions")}</dt>
      <dd>{rule.actions.join(", ")}</dd>
      <dt>{t("policy.repositories")}</dt>
      <dd>{rule.repositories.join(", ") || t("policy.everywhere")}</dd>
      <dt>{t("policy.tags")}</dt>
      <dd>{rule.tags.join(", ") || t("policy.allTags")}</dd>
      <dt>{t("policy.origin")}</dt>
      <dd>
        <Origin rule={rule} />
      </dd>
    </dl>
  );
}
