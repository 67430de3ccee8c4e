/* Choosing archives, and those on their way from this browser. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../../api/client";
import { at } from "../../app/base";
import { useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { confirm } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { ProblemLine } from "../../parts/problem";
import { toast } from "../../parts/toast";
import { bytesExact, bytesText } from "../../parts/units";
import { visible } from "../../parts/visible";
import { type TextKey, t } from "../../text/text";
import { addTransfer, dropTransfer, type Phase, startNext, Transfer, transfers } from "./transfer";
import { Bar, ImageLink, progressText, targetText } from "./words";

const phaseTexts: Record<Phase, [TextKey, string]> = {
  queued: ["upload.queued", ""],
  sending: ["upload.sending", "state-busy"],
  waiting: ["upload.retrying", "state-warn"],
  paused: ["upload.paused", "state-warn"],
  taking: ["upload.taking", "state-busy"],
  done: ["upload.phase.done", "state-ok"],
  failed: ["upload.phase.failed", "state-bad"],
  cancelled: ["upload.phase.cancelled", ""],
};

function Card({ of }: { of: Transfer }) {
  const { phase, sent, rate, problem, images } = useStore(of.progress);
  const [text, look] = phaseTexts[phase];
  const over = phase === "done" || phase === "cancelled";
  const refused = phase === "failed" && sent === of.file.size; // all had come: it is not what is taken
  const name = visible(of.file.name);
  const cancel = async () => {
    const yes = await confirm({
      title: t("upload.cancel.title"),
      body: <p>{t("upload.cancel.body", { name, size: bytesText(sent) })}</p>,
      action: t("upload.cancel"),
      danger: true,
    });
    if (!yes) return;
    of.cancel().catch((e) => toast(e instanceof Problem ? e.message : String(e), { bad: true }));
    startNext();
  };
  return (
    <li class="panel transfer">
      <div class="transfer-head">
        <b title={bytesExact(of.file.size)}>{name}</b>
        <span class={`badge ${look}`} role="status">
          {t(text)}
        </span>
      </div>
      <p class="muted small">
        {targetText(of) ? t("upload.goesTo", { name: targetText(of) }) : t("upload.goesByNames")}
      </p>
      {!over && !refused && (
        <Bar
          value={sent}
          max={phase === "taking" ? null : of.file.size}
          label={t("upload.progress", { name })}
        />
      )}
      {!over && !refused && phase !== "taking" && (
        <p class="small muted">{progressText(sent, of.file.size, rate)}</p>
      )}
      {phase === "taking" && <p class="small muted">{t("upload.taking.what")}</p>}
      {problem && <ProblemLine problem={problem} />}
      {images.map((image) => (
        <p key={image.repository + image.digest}>
          {(image.tags.length ? image.tags : [undefined]).map((tag) => (
            <ImageLink key={tag} repository={image.repository} digest={image.digest} tag={tag} />
          ))}
        </p>
      ))}
      <div class="buttons">
        {(phase === "sending" || phase === "waiting") && (
          <button type="button" onClick={() => of.pause()}>
            {t("upload.pause")}
          </button>
        )}
        {phase === "paused" && (
          <button type="button" class="primary" onClick={() => of.start().finally(startNext)}>
            {t("upload.resume")}
          </button>
        )}
        {phase === "failed" && !refused && (
          <button type="button" onClick={() => of.start().finally(startNext)}>
            {t("app.retry")}
          </button>
        )}
        {!over && phase !== "failed" && (
          <button type="button" class="plain" onClick={cancel}>
            {t("upload.cancel")}
          </button>
        )}
        {of.id && (over || phase === "failed") && (
          <a class="button" href={at(`/ui/upload?upload=${encodeURIComponent(of.id)}`)}>
            {t("upload.details")}
          </a>
        )}
        {(over || phase === "failed") && (
          <button type="button" class="plain" onClick={() => dropTransfer(of)}>
            {t("upload.dismiss")}
          </button>
        )}
      </div>
    </li>
  );
}

export function Send() {
  const [repository, setRepository] = useQuery("repository");
  const [tag, setTag] = useQuery("tag");
  const all = useStore(transfers);
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const send = (files: FileList | null | undefined) => {
    for (const file of files ?? []) addTransfer(new Transfer(file, repository.trim(), tag.trim()));
  };
  // What misses the box is not to be opened by the browser.
  useEffect(() => {
    const stay = (e: DragEvent) => e.preventDefault();
    addEventListener("dragover", stay);
    addEventListener("drop", stay);
    return () => {
      removeEventListener("dragover", stay);
      removeEventListener("drop", stay);
    };
  }, []);
  return (
    <>
      <header class="page-head">
        <h1>{t("upload.title")}</h1>
      </header>
      <div class="toolbar">
        <label class="field">
          {t("upload.repository")}
          <input
            value={repository}
            onInput={(e) => setRepository(e.currentTarget.value)}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            placeholder="team/app"
            aria-describedby="where-help"
          />
        </label>
        <label class="field tag">
          {t("upload.tag")}
          <input
            value={tag}
            onInput={(e) => setTag(e.currentTarget.value)}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            placeholder="v1"
            aria-describedby="where-help"
          />
        </label>
      </div>
      <p class="muted small where-help" id="where-help">
        {t("upload.where.help")}
      </p>
      <section
        class={over ? "drop over" : "drop"}
        aria-label={t("upload.drop")}
        onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(e) => {
          e.preventDefault();
          setOver(false);
          send(e.dataTransfer?.files);
        }}
      >
        <Icon name="upload" />
        <p>{t("upload.drop")}</p>
        <button type="button" class="primary" onClick={() => input.current?.click()}>
          {t("upload.choose")}
        </button>
        <p class="muted small">{t("upload.kinds")}</p>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          aria-label={t("upload.choose")}
          onChange={(e) => {
            send(e.currentTarget.files);
            e.currentTarget.value = "";
          }}
        />
      </section>
      {!!all.length && (
        <ul class="transfers" aria-label={t("upload.here")}>
          {all.map((one) => (
            <Card key={one.key} of={one} />
          ))}
        </ul>
      )}
    </>
  );
}
