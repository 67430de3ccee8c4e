/* Tokens of people and robot accounts: the table, making one, revoking. */
import { useState } from "preact/hooks";
import { type Listed, Problem } from "../api/client";
import { createToken, type NewToken, revokeToken, type Token } from "../api/tokens";
import { host } from "../app/base";
import { t } from "../text/text";
import { Commands, Copy } from "./copy";
import { confirm, Dialog } from "./dialog";
import { type Fields, FormDialog } from "./form";
import { type Column, Table } from "./table";
import { toast } from "./toast";
import { visible } from "./visible";
import { When } from "./when";

function isOver(token: Token): boolean {
  return token.expires !== null && Date.parse(token.expires) < Date.now();
}

function columns(owners: boolean, onRevoke: (token: Token) => void): Column<Token>[] {
  const owner: Column<Token> = {
    id: "owner",
    title: t("tokens.owner"),
    cell: (k) => (
      <span class="name" title={k.owner}>
        {k.owner}
      </span>
    ),
    width: "minmax(0, 1.25fr)",
  };
  return [
    ...(owners ? [owner] : []),
    {
      id: "description",
      title: t("tokens.description"),
      cell: (k) => (
        <span title={visible(k.description)}>
          {k.description ? visible(k.description) : <span class="muted">{t("tokens.noDescription")}</span>}
        </span>
      ),
      width: "minmax(0, 1.5fr)",
      wide: owners,
    },
    {
      id: "scopes",
      title: t("tokens.scopes"),
      cell: (k) => (
        <span title={k.scopes?.join(" ")}>{k.scopes ? k.scopes.join(" ") : t("tokens.allScopes")}</span>
      ),
      width: "minmax(0, 1.5fr)",
      wide: true,
    },
    {
      id: "expires",
      title: t("tokens.expires"),
      cell: (k) =>
        isOver(k) ? <span class="badge state-warn">{t("tokens.over")}</span> : <When time={k.expires} />,
      width: "7.5rem",
    },
    { id: "used", title: t("tokens.used"), cell: (k) => <When time={k.used} />, width: "7.5rem", wide: true },
    {
      id: "revoke",
      title: t("tokens.change"),
      cell: (k) => (
        <button
          type="button"
          class="plain"
          aria-label={t("tokens.revoke.of", { owner: k.owner, what: visible(k.description) || k.id })}
          onClick={() => onRevoke(k)}
        >
          {t("tokens.revoke")}
        </button>
      ),
      width: "6.5rem",
      end: true,
    },
  ];
}

export function TokenTable({ list, owners, label }: { list: Listed<Token>; owners: boolean; label: string }) {
  const revoke = async (token: Token) => {
    const yes = await confirm({
      title: t("tokens.revoke.title"),
      body: (
        <>
          <p>{t("tokens.revoke.goes", { owner: token.owner, what: token.description || token.id })}</p>
          <p>{t("tokens.revoke.stays")}</p>
        </>
      ),
      action: t("tokens.revoke"),
      danger: true,
    });
    if (!yes) return;
    try {
      await revokeToken(token.id);
      toast(t("tokens.revoked"));
    } catch (e) {
      toast(e instanceof Problem ? e.message : String(e), { bad: true });
    }
    list.reload();
  };
  return (
    <Table
      label={label}
      columns={columns(owners, revoke)}
      rows={list.items}
      id={(k) => k.id}
      onMore={list.more}
      loading={list.loading && list.fresh}
      complete={list.done}
    />
  );
}

/** The token that was made: shown this once. */
function Made({ token, onClose }: { token: Token & { token: string }; onClose: () => void }) {
  const name = token.owner.slice(token.owner.indexOf(":") + 1);
  return (
    <Dialog title={t("tokens.made")} onClose={onClose} wide firm>
      <div class="dialog-body">
        <p>{t("tokens.made.once", { owner: token.owner })}</p>
        <p class="secret">
          <code>{token.token}</code> <Copy text={token.token} what={t("tokens.token")} />
        </p>
        <p>{t("tokens.made.use")}</p>
        <Commands text={`docker login ${host} --username ${name} --password-stdin`} what="docker login" />
      </div>
      <footer>
        <button type="button" class="primary" onClick={onClose}>
          {t("app.close")}
        </button>
      </footer>
    </Dialog>
  );
}

function wanted(form: Fields, robot: boolean): NewToken {
  const token: NewToken = { lifetime: form.text("lifetime"), description: form.text("description") };
  const scopes = form.text("scopes").split(/\s+/).filter(Boolean);
  if (scopes.length) token.scopes = scopes;
  if (robot) token.robot = form.text("robot");
  return token;
}

const LIFETIMES = ["7d", "30d", "90d", "365d", "never"] as const;

/** Asks what it is to be, and shows it. robot: of a robot account that is named there. */
export function NewTokenDialog({
  robot,
  onClose,
  onDone,
}: {
  robot: boolean;
  onClose: () => void;
  onDone: () => void;
}) {
  const [made, setMade] = useState<(Token & { token: string }) | null>(null);
  if (made) return <Made token={made} onClose={onClose} />;
  return (
    <FormDialog
      title={t(robot ? "tokens.new.robot" : "tokens.new")}
      action={t("tokens.new.do")}
      onClose={onClose}
      keep
      onSubmit={async (form) => {
        setMade(await createToken(wanted(form, robot)));
        onDone();
      }}
    >
      {robot && (
        <label class="field">
          {t("tokens.robot")}
          <input
            name="robot"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            placeholder="ci"
            aria-describedby="robot-help"
          />
          <span class="muted small" id="robot-help">
            {t("tokens.robot.help")}
          </span>
        </label>
      )}
      <label class="field">
        {t("tokens.description")}
        <input
          name="description"
          autocomplete="off"
          maxLength={200}
          placeholder={t("tokens.description.example")}
        />
      </label>
      <label class="field">
        {t("tokens.scopes")}
        <input
          name="scopes"
          autocomplete="off"
          spellcheck={false}
          placeholder="dev/**:pull,push"
          aria-describedby="scopes-help"
        />
        <span class="muted small" id="scopes-help">
          {t("tokens.scopes.help")}
        </span>
      </label>
      <label class="field">
        {t("tokens.lifetime")}
        <select name="lifetime">
          {LIFETIMES.map((one) => (
            <option key={one} value={one} selected={one === "90d"}>
              {one === "never" ? t("tokens.forever") : t("tokens.days", { n: Number.parseInt(one, 10) })}
            </option>
          ))}
        </select>
      </label>
    </FormDialog>
  );
}
