/* The rules in force; those of the API are made and removed here. */
import { useState } from "preact/hooks";
import { Problem, useGet } from "../../api/client";
import {
  actions,
  addRule,
  type NewRule,
  type Policy,
  policyPath,
  type Rule,
  removeRule,
} from "../../api/policy";
import { at } from "../../app/base";
import { confirm, Dialog } from "../../parts/dialog";
import { Empty } from "../../parts/empty";
import { FormDialog } from "../../parts/form";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { t } from "../../text/text";
import { Effect, Origin, RuleFacts } from "./rule";

const said = (e: unknown) => toast(e instanceof Problem ? e.message : String(e), { bad: true });

function columns(onRemove: (rule: Rule) => void): Column<Rule>[] {
  const list = (items: string[], none: string) => {
    const text = items.join(", ");
    return text ? <span title={text}>{text}</span> : <span class="muted">{none}</span>;
  };
  return [
    {
      id: "effect",
      title: t("policy.effect"),
      cell: (r) => <Effect effect={r.effect} />,
      width: "minmax(4.25rem, 5rem)",
    },
    {
      id: "subjects",
      title: t("policy.subjects"),
      cell: (r) => list(r.subjects, ""),
      width: "minmax(0, 1.5fr)",
    },
    {
      id: "actions",
      title: t("policy.actions"),
      cell: (r) => list(r.actions, ""),
      width: "minmax(0, 1.5fr)",
    },
    {
      id: "repositories",
      title: t("policy.repositories"),
      cell: (r) => list(r.repositories, t("policy.everywhere")),
      width: "minmax(0, 1.5fr)",
      wide: true,
    },
    {
      id: "tags",
      title: t("policy.tags"),
      cell: (r) => list(r.tags, t("policy.allTags")),
      width: "minmax(0, 1fr)",
      wide: true,
    },
    { id: "origin", title: t("policy.origin"), cell: (r) => <Origin rule={r} />, width: "8rem", wide: true },
    {
      id: "remove",
      title: t("policy.change"),
      cell: (r) =>
        r.id ? (
          <button
            type="button"
            class="plain"
            aria-label={t("policy.remove.of", {
              subjects: r.subjects.join(", "),
              actions: r.actions.join(", "),
            })}
            onClick={() => onRemove(r)}
          >
            {t("policy.remove")}
          </button>
        ) : (
          <span class="muted" title={t("policy.fixed.why")}>
            {t("policy.fixed")}
          </span>
        ),
      width: "6.5rem",
      end: true,
      wide: true,
    },
  ];
}

function AddDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  return (
    <FormDialog
      title={t("policy.add")}
      action={t("policy.add.do")}
      onClose={onClose}
      onSubmit={async (form) => {
        await addRule({
          effect: form.text("effect") === "deny" ? "deny" : "allow",
          subjects: form.list("subjects"),
          actions: form.all("actions"),
          repositories: form.list("repositories"),
          tags: form.list("tags"),
        });
        toast(t("policy.added"));
        onDone();
      }}
    >
      <label class="field">
        {t("policy.effect")}
        <select name="effect">
          <option value="allow">{t("policy.effect.allow")}</option>
          <option value="deny">{t("policy.effect.deny")}</option>
        </select>
      </label>
      <label class="field">
        {t("policy.subjects")}
        <input
          name="subjects"
          required
          autocomplete="off"
          spellcheck={false}
          placeholder="group:dev, user:alice"
          aria-describedby="subjects-help"
        />
        <span class="muted small" id="subjects-help">
          {t("policy.subjects.help")}
        </span>
      </label>
      <fieldset class="checks">
        <legend>{t("policy.actions")}</legend>
        {actions.map((one) => (
          <label key={one} class="check">
            <input type="checkbox" name="actions" value={one} /> {one}
          </label>
        ))}
      </fieldset>
      <label class="field">
        {t("policy.repositories")}
        <input
          name="repositories"
          autocomplete="off"
          spellcheck={false}
          placeholder="dev/**"
          aria-describedby="repositories-help"
        />
        <span class="muted small" id="repositories-help">
          {t("policy.repositories.help")}
        </span>
      </label>
      <label class="field">
        {t("policy.tags")}
        <input name="tags" autocomplete="off" spellcheck={false} placeholder="v*" />
      </label>
    </FormDialog>
  );
}

/** All of a rule; on phones there is no room for it in the table. */
function One({ rule, onClose, onRemove }: { rule: Rule; onClose: () => void; onRemove: () => void }) {
  return (
    <Dialog title={t("policy.rule")} onClose={onClose}>
      <div class="dialog-body">
        <RuleFacts rule={rule} />
        {!rule.id && <p class="muted">{t("policy.fixed.why")}</p>}
      </div>
      {rule.id && (
        <footer>
          <button type="button" class="danger" onClick={onRemove}>
            {t("policy.remove")}…
          </button>
        </footer>
      )}
    </Dialog>
  );
}

export function Rules() {
  const { data, problem, reload } = useGet<Policy>(policyPath);
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<Rule | null>(null);
  const remove = async (rule: Rule) => {
    setOpen(null);
    const yes = await confirm({
      title: t("policy.remove.title"),
      body: (
        <>
          <p>{t("policy.remove.body")}</p>
          <RuleFacts rule={rule} />
        </>
      ),
      action: t("policy.remove"),
      danger: true,
    });
    if (!yes || !rule.id) return;
    const { effect, subjects, actions: what, repositories, tags }: NewRule = rule;
    try {
      await removeRule(rule.id);
      reload();
      toast(t("policy.removed"), {
        undo: () => addRule({ effect, subjects, actions: what, repositories, tags }).then(reload, said),
      });
    } catch (e) {
      said(e);
    }
  };
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  return (
    <>
      <div class="lead with-button">
        <p>
          {t("policy.lead")} {data?.without_rules && t("policy.withoutRules")}{" "}
          <a class="inline-link" href={at("/ui/policy?tab=test")}>
            {t("policy.toTest")}
          </a>
        </p>
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          {t("policy.add")}…
        </button>
      </div>
      {!data ? (
        <TableSkeleton rows={5} />
      ) : !data.rules.length ? (
        <Empty icon="shield" title={t("policy.empty")}>
          <p>{t("policy.empty.do")}</p>
        </Empty>
      ) : (
        <Table
          label={t("policy.rules")}
          columns={columns(remove)}
          rows={data.rules}
          id={(r) => r.id ?? `file ${data.rules.indexOf(r)}`}
          onOpen={setOpen}
        />
      )}
      {open && <One rule={open} onClose={() => setOpen(null)} onRemove={() => remove(open)} />}
      {adding && <AddDialog onClose={() => setAdding(false)} onDone={reload} />}
    </>
  );
}
