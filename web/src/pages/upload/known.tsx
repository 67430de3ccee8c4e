/* What the registry knows of uploads: one's own; of all, to an admin. */
import { useRef } from "preact/hooks";
import { useList } from "../../api/client";
import { identity } from "../../api/session";
import { hasEnded, type Upload, uploadResults, uploadsOf, uploadsPath } from "../../api/uploads";
import { at } from "../../app/base";
import { useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Empty } from "../../parts/empty";
import { usePoll } from "../../parts/poll";
import { ProblemView } from "../../parts/problem";
import { type Column, Table, TableSkeleton } from "../../parts/table";
import { toast } from "../../parts/toast";
import { bytesText } from "../../parts/units";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import { addTransfer, type Phase, Transfer, transfers } from "./transfer";
import { PhaseBadge, placeText } from "./words";

const PAGE = 50; // of uploadsPath()
const over = new Set<Phase>(["done", "cancelled", "failed"]);

const pageOf = (id: string) => `/ui/upload?upload=${encodeURIComponent(id)}`;

function columns(onResume: (upload: Upload) => void, here: (id: string) => boolean): Column<Upload>[] {
  const resumed = (u: Upload) => u.way === "session" && u.phase === "waiting" && !here(u.id);
  const resume = (u: Upload) => (
    <button type="button" class="plain" onClick={() => onResume(u)}>
      {t("upload.goOn")}…
    </button>
  );
  return [
    {
      id: "started",
      title: t("upload.started"),
      cell: (u) => (
        <a class="name" href={at(pageOf(u.id))}>
          <When time={u.started} />
        </a>
      ),
      width: "minmax(5rem, 8rem)",
    },
    {
      id: "place",
      title: t("upload.place"),
      cell: (u) => <span title={placeText(u)}>{placeText(u) || t("upload.ownNames")}</span>,
      width: "minmax(6.5rem, 2fr)",
    },
    {
      id: "user",
      title: t("upload.user"),
      cell: (u) => <span title={`${u.user} ${u.address}`}>{u.user}</span>,
      width: "minmax(0, 1fr)",
      wide: true,
    },
    {
      id: "bytes",
      title: t("upload.received"),
      cell: (u) =>
        hasEnded(u) || u.expected === null
          ? bytesText(u.received)
          : t("upload.of", { sent: bytesText(u.received), total: bytesText(u.expected) }),
      width: "11rem",
      end: true,
      wide: true,
    },
    {
      id: "phase",
      title: t("upload.phase"),
      cell: (u) =>
        resumed(u) ? (
          <>
            <span class="not-on-phones">
              <PhaseBadge phase={u.phase} />
            </span>
            <span class="on-phones">{resume(u)}</span>
          </>
        ) : (
          <PhaseBadge phase={u.phase} />
        ),
      width: "minmax(5.5rem, 7.5rem)",
    },
    {
      id: "resume",
      title: t("upload.goOn"),
      cell: (u) => (resumed(u) ? resume(u) : ""),
      width: "8rem",
      wide: true,
    },
  ];
}

export function Known() {
  const [result, setResult] = useQuery("result");
  const list = useList<Upload>(uploadsPath(result), uploadsOf);
  const mine = useStore(transfers);
  const who = useStore(identity);
  const wanted = useRef<Upload | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const going = mine.some((x) => !over.has(x.progress.get().phase)) || list.items.some((u) => !hasEnded(u));
  // Who looks at older ones is not to lose them.
  usePoll(going && list.items.length <= PAGE, list.reload, 2000);
  const resume = (upload: Upload) => {
    wanted.current = upload;
    input.current?.click();
  };
  const goOn = (file: File | undefined) => {
    const upload = wanted.current;
    if (!file || !upload) return;
    if (file.size !== upload.expected)
      return toast(t("upload.otherFile", { size: bytesText(upload.expected ?? 0) }), { bad: true });
    addTransfer(new Transfer(file, upload.repository ?? "", upload.tag ?? "", upload.id));
  };
  return (
    <section>
      <header class="page-head">
        <h2 class="grow">{t(who.state === "user" && !who.admin ? "upload.yours" : "upload.all")}</h2>
        <label class="inline">
          {t("upload.filter")}{" "}
          <select value={result} onChange={(e) => setResult(e.currentTarget.value)}>
            <option value="">{t("upload.result.all")}</option>
            {uploadResults.map((one) => (
              <option key={one} value={one}>
                {t(`upload.result.${one}`)}
              </option>
            ))}
          </select>
        </label>
      </header>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={t("upload.goOn")}
        onChange={(e) => {
          goOn(e.currentTarget.files?.[0]);
          e.currentTarget.value = "";
        }}
      />
      {list.problem ? (
        <ProblemView problem={list.problem} retry={list.reload} />
      ) : !list.items.length && !list.done ? (
        <TableSkeleton rows={4} />
      ) : !list.items.length ? (
        <Empty icon="upload" title={t(result ? "upload.noMatch" : "upload.empty")}>
          {!result && <p>{t("upload.empty.do")}</p>}
        </Empty>
      ) : (
        <Table
          label={t("upload.all")}
          columns={columns(resume, (id) =>
            mine.some((x) => x.id === id && x.progress.get().phase !== "cancelled"),
          )}
          rows={list.items}
          id={(u) => u.id}
          href={(u) => pageOf(u.id)}
          onMore={list.more}
          loading={list.loading && list.fresh && !list.done && list.items.length >= PAGE}
          complete={list.done}
        />
      )}
    </section>
  );
}
