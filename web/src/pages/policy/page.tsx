import { type Tab, TabPanel, Tabs, useTab } from "../../parts/tabs";
import "../../parts/panel.css";
import { t } from "../../text/text";
import { TestTab } from "./ask";
import { PullPolicyTab } from "./pulls";
import { Rules } from "./rules";
import "./style.css";

export default function PolicyPage() {
  const tabs: Tab[] = [
    { id: "rules", label: t("policy.rules") },
    { id: "test", label: t("policy.test") },
    { id: "pulls", label: t("policy.pulls") },
  ];
  const tab = useTab(tabs);
  return (
    <>
      <header class="page-head">
        <h1>{t("policy.title")}</h1>
      </header>
      <Tabs tabs={tabs} label={t("policy.title")} />
      <TabPanel id={tab}>
        {tab === "rules" && <Rules />}
        {tab === "test" && <TestTab />}
        {tab === "pulls" && <PullPolicyTab />}
      </TabPanel>
    </>
  );
}
