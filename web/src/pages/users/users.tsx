/* The users of the registry's own database. */
import { useEffect, useState } from "preact/hooks";
import { Problem, useList } from "../../api/client";
import { identity } from "../../api/session";
import {
  addUser,
  changeUser,
  removeUser,
  type User,
  type UserChange,
  usersOf,
  usersPath,
} from "../../api/users";
import { at } from "../../app/base";
import { useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { confirm } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import { Filter } from "../../parts/filter";
import { FormDialog } from "../../parts/form";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { When } from "../../parts/when";
import { t } from "../../text/text";

function State({ user }: { user: User }) {
  return (
    <span class={`badge ${user.disabled ? "state-warn" : "state-ok"}`}>
      {t(user.disabled ? "users.disabled" : "users.enabled")}
    </span>
  );
}

function columns(): Column<User>[] {
  return [
    {
      id: "name",
      title: t("users.name"),
      cell: (u) => (
        <a class="name" href={at(`/ui/users?user=${encodeURIComponent(u.name)}`)} title={u.name}>
          {u.name}
        </a>
      ),
      width: "minmax(0, 1.5fr)",
    },
    { id: "state", title: t("users.state"), cell: (u) => <State user={u} />, width: "7rem" },
    {
      id: "admin",
      title: t("users.admin"),
      cell: (u) => (u.admin ? t("users.yes") : "–"),
      width: "6rem",
      wide: true,
    },
    {
      id: "factor",
      title: t("users.factor"),
      cell: (u) => (u.second_factor ? t("users.yes") : "–"),
      width: "8rem",
      wide: true,
    },
    {
      id: "groups",
      title: t("users.groups"),
      cell: (u) => <span title={u.groups.join(", ")}>{u.groups.join(", ") || "–"}</span>,
      width: "minmax(0, 2fr)",
      wide: true,
    },
    { id: "signedIn", title: t("users.signedIn"), cell: (u) => <When time={u.signed_in} />, width: "8rem" },
  ];
}

function Groups({ value = "" }: { value?: string }) {
  return (
    <label class="field">
      {t("users.groups")}
      <input
        name="groups"
        defaultValue={value}
        autocomplete="off"
        spellcheck={false}
        placeholder="dev, qa"
        aria-describedby="groups-help"
      />
      <span class="muted small" id="groups-help">
        {t("users.groups.help")}
      </span>
    </label>
  );
}

function AddDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  return (
    <FormDialog
      title={t("users.add")}
      action={t("users.add.do")}
      onClose={onClose}
      onSubmit={async (form) => {
        const name = form.text("name");
        await addUser({
          name,
          password: form.raw("password"),
          groups: form.list("groups"),
          admin: form.on("admin"),
        });
        toast(t("users.added", { name }));
        onDone();
      }}
    >
      <label class="field">
        {t("users.name")}
        <input name="name" required autocomplete="off" autocapitalize="none" spellcheck={false} />
      </label>
      <label class="field">
        {t("users.password")}
        <input
          name="password"
          type="password"
          required
          autocomplete="new-password"
          aria-describedby="password-help"
        />
        <span class="muted small" id="password-help">
          {t("users.password.help")}
        </span>
      </label>
      <Groups />
      <label class="check field">
        <input type="checkbox" name="admin" /> {t("users.admin.may")}
      </label>
    </FormDialog>
  );
}

/** Only what was changed is sent. */
function changes(
  user: User,
  groups: string[],
  admin: boolean,
  disabled: boolean,
  password: string,
): UserChange {
  const change: UserChange = {};
  if (groups.join() !== user.groups.join()) change.groups = groups;
  if (admin !== user.admin) change.admin = admin;
  if (disabled !== user.disabled) change.disabled = disabled;
  if (password) change.password = password;
  return change;
}

function EditDialog({ user, onClose, onDone }: { user: User; onClose: () => void; onDone: () => void }) {
  const who = useStore(identity);
  const self = who.state === "user" && who.subject === `user:${user.name}`;
  const remove = async () => {
    onClose();
    const yes = await confirm({
      title: t("users.remove.title", { name: user.name }),
      body: (
        <>
          <p>{t("users.remove.goes")}</p>
          <p>{t("users.remove.stays")}</p>
        </>
      ),
      action: t("users.remove"),
      danger: true,
      typed: user.name,
    });
    if (!yes) return;
    try {
      await removeUser(user.name);
      toast(t("users.removed", { name: user.name }));
    } catch (e) {
      toast(e instanceof Problem ? e.message : String(e), { bad: true });
    }
    onDone();
  };
  return (
    <FormDialog
      title={user.name}
      action={t("users.save")}
      onClose={onClose}
      onSubmit={async (form) => {
        const change = changes(
          user,
          form.list("groups"),
          form.on("admin"),
          form.on("disabled"),
          form.raw("password"),
        );
        if (!Object.keys(change).length) return;
        await changeUser(user.name, change);
        toast(t("users.saved", { name: user.name }));
        onDone();
      }}
    >
      <div class="dialog-body">
        <dl class="facts">
          <dt>{t("users.created")}</dt>
          <dd>
            <When time={user.created} />
          </dd>
          <dt>{t("users.signedIn")}</dt>
          <dd>
            <When time={user.signed_in} />
          </dd>
          <dt>{t("users.factor")}</dt>
          <dd>{t(user.second_factor ? "users.factor.on" : "users.factor.off")}</dd>
          <dt>{t("users.tokensOf")}</dt>
          <dd>
            <a href={at(`/ui/users?tab=tokens&owner=${encodeURIComponent(`user:${user.name}`)}`)}>
              {t("users.tokensOf.show")}
            </a>
          </dd>
        </dl>
      </div>
      <Groups value={user.groups.join(", ")} />
      <label class="check field">
        <input type="checkbox" name="admin" defaultChecked={user.admin} /> {t("users.admin.may")}
      </label>
      <label class="check field">
        <input type="checkbox" name="disabled" defaultChecked={user.disabled} disabled={self} />{" "}
        {t("users.disabled.means")}
      </label>
      {!self && (
        <label class="field">
          {t("users.newPassword")}
          <input
            name="password"
            type="password"
            autocomplete="new-password"
            aria-describedby="password-help"
          />
          <span class="muted small" id="password-help">
            {t("users.newPassword.help")}
          </span>
        </label>
      )}
      {!self && (
        <p class="dialog-body">
          <button type="button" class="danger" onClick={remove}>
            {t("users.remove")}…
          </button>
        </p>
      )}
    </FormDialog>
  );
}

export function UsersTab() {
  const list = useList(usersPath, usersOf);
  const [search, setSearch] = useQuery("search");
  const [name, setName] = useQuery("user");
  const [adding, setAdding] = useState(false);
  const filtering = !!search || !!name;
  // The API has no search: all are fetched to be looked through.
  useEffect(() => {
    if (filtering && !list.done && !list.loading && !list.problem) list.more();
  }, [filtering, list.done, list.loading]);
  const small = search.toLowerCase();
  const shown = list.items.filter((u) => `${u.name} ${u.groups.join(" ")}`.toLowerCase().includes(small));
  const open = list.items.find((u) => u.name === name);
  return (
    <>
      <div class="toolbar middle">
        <Filter value={search} onChange={setSearch} label={t("users.search")} />
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          {t("users.add")}…
        </button>
      </div>
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !shown.length && !list.done ? (
        <TableSkeleton rows={8} />
      ) : !shown.length ? (
        <Empty icon="user" title={t(search ? "users.noMatch" : "users.empty")}>
          <p>{t(search ? "users.noMatch.do" : "users.empty.do")}</p>
        </Empty>
      ) : (
        <Table
          label={t("users.users")}
          columns={columns()}
          rows={shown}
          id={(u) => u.name}
          onOpen={(u) => setName(u.name)}
          onMore={list.more}
          loading={list.loading && list.fresh}
          complete={list.done}
        />
      )}
      {adding && <AddDialog onClose={() => setAdding(false)} onDone={list.reload} />}
      {open && <EditDialog key={open.name} user={open} onClose={() => setName("")} onDone={list.reload} />}
    </>
  );
}
