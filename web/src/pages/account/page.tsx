/* Who one is here: the session, one's password and tokens. */
import { useState } from "preact/hooks";
import { Problem, useList } from "../../api/client";
import { identity, loadSession, type Session, signOut } from "../../api/session";
import { tokensOf, tokensPath } from "../../api/tokens";
import { changePassword } from "../../api/users";
import { useStore } from "../../app/store";
import { Empty } from "../../parts/empty";
import { FormDialog } from "../../parts/form";
import "../../parts/panel.css";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { NewTokenDialog, TokenTable } from "../../parts/tokens";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import "./style.css";

const MINUTE_S = 60;
const LOCAL = "local";

function PasswordDialog({ name, onClose }: { name: string; onClose: () => void }) {
  return (
    <FormDialog
      title={t("me.password")}
      action={t("me.password.do")}
      onClose={onClose}
      onSubmit={async (form) => {
        const fresh = form.raw("new");
        if (fresh !== form.raw("again")) throw new Problem(400, "DIFFERENT", t("me.password.different"));
        await changePassword(name, form.raw("old"), fresh);
        toast(t("me.password.done"));
        loadSession(); // it has ended, with all others
      }}
    >
      <input
        class="offscreen"
        name="username"
        autocomplete="username"
        value={name}
        readOnly
        tabIndex={-1}
        aria-hidden
      />
      <p class="dialog-body">{t("me.password.ends")}</p>
      <label class="field">
        {t("me.password.old")}
        <input name="old" type="password" required autocomplete="current-password" />
      </label>
      <label class="field">
        {t("me.password.new")}
        <input name="new" type="password" required autocomplete="new-password" aria-describedby="new-help" />
        <span class="muted small" id="new-help">
          {t("users.password.help")}
        </span>
      </label>
      <label class="field">
        {t("me.password.again")}
        <input name="again" type="password" required autocomplete="new-password" />
      </label>
    </FormDialog>
  );
}

function Facts({ who }: { who: Session }) {
  return (
    <dl class="facts">
      <dt>{t("me.name")}</dt>
      <dd>
        {who.name} {who.admin && <span class="badge state-busy">{t("account.admin")}</span>}
      </dd>
      <dt>{t("me.subject")}</dt>
      <dd>
        <code>{who.subject}</code>
      </dd>
      <dt>{t("me.provider")}</dt>
      <dd>{who.provider === LOCAL ? t("me.provider.local") : who.provider}</dd>
      <dt>{t("me.groups")}</dt>
      <dd>{who.groups.join(", ") || "–"}</dd>
    </dl>
  );
}

function SessionPanel({ who }: { who: Session }) {
  if (!who.csrf_token) return null;
  const leave = () =>
    signOut().catch((e) => toast(e instanceof Problem ? e.message : String(e), { bad: true }));
  return (
    <section class="panel">
      <h2>{t("me.session")}</h2>
      <dl class="facts">
        <dt>{t("me.session.ends")}</dt>
        <dd>
          <When time={who.expires_at} />
        </dd>
        {!!who.idle_timeout_s && (
          <>
            <dt>{t("me.session.idle")}</dt>
            <dd>{t("me.minutes", { n: Math.round(who.idle_timeout_s / MINUTE_S) })}</dd>
          </>
        )}
      </dl>
      <button type="button" onClick={leave}>
        {t("account.signOut")}
      </button>
    </section>
  );
}

function Tokens({ who }: { who: Session }) {
  const list = useList(tokensPath(who.admin ? who.subject : ""), tokensOf);
  const [making, setMaking] = useState(false);
  // People of a file or a directory have none.
  if (list.problem?.status === 403)
    return (
      <section class="tokens">
        <h2>{t("me.tokens")}</h2>
        <p class="lead">{list.problem.message}</p>
      </section>
    );
  return (
    <section class="tokens">
      <header class="page-head">
        <h2>{t("me.tokens")}</h2>
        <button type="button" class="primary" onClick={() => setMaking(true)}>
          {t("tokens.new")}…
        </button>
      </header>
      <p class="lead">{t("me.tokens.lead")}</p>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !list.items.length && !list.done ? (
        <TableSkeleton rows={3} />
      ) : !list.items.length ? (
        <Empty icon="key" title={t("me.tokens.empty")}>
          <p>{t("me.tokens.empty.do")}</p>
        </Empty>
      ) : (
        <TokenTable list={list} owners={false} label={t("me.tokens")} />
      )}
      {making && <NewTokenDialog robot={false} onClose={() => setMaking(false)} onDone={list.reload} />}
    </section>
  );
}

export default function AccountPage() {
  const who = useStore(identity);
  const [changing, setChanging] = useState(false);
  if (who.state === "unknown") return <Skeleton lines={4} />;
  if (who.state !== "user")
    return (
      <Empty page icon="user" title={t(who.state === "off" ? "me.off" : "me.nobody")}>
        <p>{t(who.state === "off" ? "me.off.why" : "me.nobody.do")}</p>
      </Empty>
    );
  return (
    <>
      <header class="page-head">
        <h1>{t("me.title")}</h1>
      </header>
      <div class="account-panels">
        <section class="panel">
          <h2>{t("me.you")}</h2>
          <Facts who={who} />
          {who.provider === LOCAL && (
            <button type="button" onClick={() => setChanging(true)}>
              {t("me.password")}…
            </button>
          )}
        </section>
        <SessionPanel who={who} />
      </div>
      <Tokens who={who} />
      {changing && <PasswordDialog name={who.name} onClose={() => setChanging(false)} />}
    </>
  );
}
