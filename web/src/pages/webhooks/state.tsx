import type { Webhook } from "../../api/webhooks";
import { t } from "../../text/text";

export function State({ of }: { of: Webhook }) {
  return of.state === "failing" ? (
    <span class="badge state-bad">{t("webhooks.failing")}</span>
  ) : (
    <span class="badge state-ok">{t("webhooks.ok")}</span>
  );
}
