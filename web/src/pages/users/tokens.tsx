/* Robot accounts and all tokens, of whom they are. */
import { useEffect, useState } from "preact/hooks";
import { useList } from "../../api/client";
import { tokensOf, tokensPath } from "../../api/tokens";
import { useQuery } from "../../app/router";
import { Empty } from "../../parts/empty";
import { Filter } from "../../parts/filter";
import { ProblemView } from "../../parts/problem";
import { TableSkeleton } from "../../parts/table";
import { NewTokenDialog, TokenTable } from "../../parts/tokens";
import { t } from "../../text/text";

function isOwner(text: string): boolean {
  return /^(user|robot):./.test(text);
}

export function TokensTab() {
  const [owner, setOwner] = useQuery("owner");
  const list = useList(tokensPath(isOwner(owner) ? owner : ""), tokensOf);
  const [making, setMaking] = useState(false);
  // The API knows whole owners alone: for parts of a name all are fetched to be looked through.
  useEffect(() => {
    if (owner && !list.done && !list.loading && !list.problem) list.more();
  }, [owner, list.done, list.loading]);
  const small = owner.toLowerCase();
  const shown = list.items.filter((k) => `${k.owner} ${k.description}`.toLowerCase().includes(small));
  return (
    <>
      <p class="lead">{t("users.tokens.lead")}</p>
      <div class="toolbar middle">
        <Filter value={owner} onChange={setOwner} label={t("users.tokens.filter")} />
        <button type="button" class="primary" onClick={() => setMaking(true)}>
          {t("tokens.new.robot")}…
        </button>
      </div>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !shown.length && !list.done ? (
        <TableSkeleton rows={6} />
      ) : !shown.length ? (
        <Empty icon="key" title={t(owner ? "users.tokens.noMatch" : "users.tokens.empty")}>
          <p>{t(owner ? "users.tokens.noMatch.do" : "users.tokens.empty.do")}</p>
        </Empty>
      ) : (
        <TokenTable list={{ ...list, items: shown }} owners label={t("users.tokens")} />
      )}
      {making && <NewTokenDialog robot onClose={() => setMaking(false)} onDone={list.reload} />}
    </>
  );
}
