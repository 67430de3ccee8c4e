import { type Tab, TabPanel, Tabs, useTab } from "../../parts/tabs";
import "../../parts/panel.css";
import { t } from "../../text/text";
import { TokensTab } from "./tokens";
import { UsersTab } from "./users";

export default function UsersPage() {
  const tabs: Tab[] = [
    { id: "users", label: t("users.users") },
    { id: "tokens", label: t("users.tokens") },
  ];
  const tab = useTab(tabs);
  return (
    <>
      <header class="page-head">
        <h1>{t("users.title")}</h1>
      </header>
      <Tabs tabs={tabs} label={t("users.title")} />
      <TabPanel id={tab}>{tab === "users" ? <UsersTab /> : <TokensTab />}</TabPanel>
    </>
  );
}
