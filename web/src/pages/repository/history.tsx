/* Where a tag has pointed, and the way back there. */
import { useList } from "../../api/client";
import { historyPath, type Move, movesOf, moveTag, rollback } from "../../api/tags";
import { at } from "../../app/base";
import { encodePath } from "../../app/router";
import { confirm, Dialog } from "../../parts/dialog";
import { problemText } from "../../parts/each";
import { Icon } from "../../parts/icon";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { toast } from "../../parts/toast";
import { When } from "../../parts/when";
import { t } from "../../text/text";

const short = (digest: string) => digest.slice(0, 19);

/** Takes a rollback back, unless the tag was moved again. */
async function undoMove(name: string, tag: string, from: string, to: string, changed: () => void) {
  try {
    if (await moveTag(name, tag, from, to)) toast(t("history.done", { tag, digest: short(to) }));
    else toast(t("history.moved", { tag }), { bad: true });
    changed();
  } catch (e) {
    toast(problemText(e), { bad: true });
  }
}

async function moveTo(name: string, tag: string, digest: string, changed: () => void) {
  try {
    const { previous } = await rollback(name, tag, digest);
    const undo = previous ? () => undoMove(name, tag, digest, previous, changed) : undefined;
    toast(t("history.done", { tag, digest: short(digest) }), undo ? { undo } : {});
    changed();
  } catch (e) {
    toast(problemText(e), { bad: true });
  }
}

async function ask(name: string, tag: string, from: string | null, to: string, changed: () => void) {
  const yes = await confirm({
    title: t("history.ask", { tag }),
    body: (
      <>
        <dl class="from-to">
          <dt>{t("history.from")}</dt>
          <dd>{from ? <code>{from}</code> : t("history.deleted")}</dd>
          <dt>{t("history.to")}</dt>
          <dd>
            <code>{to}</code>
          </dd>
        </dl>
        <p>{t("history.ask.stays")}</p>
      </>
    ),
    action: t("history.back"),
  });
  if (yes) await moveTo(name, tag, to, changed);
}

interface HistoryProps {
  name: string;
  tag: string;
  mayChange: boolean;
  onClose: () => void;
  reload: () => void;
}

export function History({ name, tag, mayChange, onClose, reload }: HistoryProps) {
  const list = useList<Move>(historyPath(name, tag), movesOf);
  const now = list.items[0]?.digest ?? null;
  const changed = () => {
    list.reload();
    reload();
  };
  return (
    <Dialog title={t("history.title", { tag })} onClose={onClose} wide>
      <div class="dialog-body">
        {list.problem && <ProblemView problem={list.problem} retry={list.reload} />}
        {!list.fresh && !list.problem && <Skeleton lines={4} />}
        {list.fresh && !list.problem && !list.items.length && <p class="muted">{t("history.none")}</p>}
        <ol class="moves">
          {list.items.map((move, i) => (
            <li key={move.version} class={move.digest ? "" : "gone"}>
              <div>
                {move.digest ? (
                  <a href={at(`/ui/images/${encodePath(name)}@${move.digest}`)}>
                    <code title={move.digest}>{short(move.digest)}</code>
                  </a>
                ) : (
                  <span>{t("history.deleted")}</span>
                )}
                {i === 0 && move.digest && <span class="badge">{t("history.now")}</span>}
                <p class="muted small">
                  <When time={move.time} />
                  {move.actor && (
                    <>
                      {" · "}
                      <bdi>{move.actor}</bdi>
                    </>
                  )}
                </p>
              </div>
              {mayChange && move.digest && move.digest !== now && (
                <button type="button" onClick={() => ask(name, tag, now, move.digest!, changed)}>
                  <Icon name="restore" />
                  {t("history.back")}
                </button>
              )}
            </li>
          ))}
        </ol>
        {!list.done && list.items.length > 0 && (
          <button type="button" onClick={list.more} disabled={list.loading}>
            {t("history.more")}
          </button>
        )}
      </div>
    </Dialog>
  );
}
