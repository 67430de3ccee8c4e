/* One upload, as it goes on. */
import { useState } from "preact/hooks";
import { Problem, useEvents, useGet } from "../../api/client";
import { giveUp, hasEnded, type Upload, uploadPath } from "../../api/uploads";
import { at } from "../../app/base";
import { useTitle } from "../../app/title";
import { Copy } from "../../parts/copy";
import { confirm } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { toast } from "../../parts/toast";
import { bytesText } from "../../parts/units";
import { visible } from "../../parts/visible";
import { When } from "../../parts/when";
import { type TextKey, t } from "../../text/text";
import {
  Bar,
  durationText,
  ImageLink,
  PhaseBadge,
  phaseText,
  placeText,
  progressText,
  targetText,
} from "./words";

const ways: Record<string, TextKey> = {
  body: "upload.way.body",
  form: "upload.way.form",
  session: "upload.way.session",
  direct: "upload.way.direct",
};
const SHORT_DIGEST = "sha256:".length + 12;

function Failure({ upload }: { upload: Upload }) {
  const { error } = upload;
  if (!error || upload.phase === "cancelled") return null; // that was no refusal
  return (
    <section class="panel failure" role="alert">
      <h2>{t("upload.refused")}</h2>
      <p>{visible(error.message)}</p>
      <dl class="facts">
        <dt>{t("upload.code")}</dt>
        <dd>
          <code>{error.reason ? `${error.code} ${error.reason}` : error.code}</code>
        </dd>
        {error.member && (
          <>
            <dt>{t("upload.member")}</dt>
            <dd>
              <code>{visible(error.member)}</code>
            </dd>
          </>
        )}
        {error.wrong && (
          <>
            <dt>{t("upload.wrong")}</dt>
            <dd>{visible(error.wrong)}</dd>
          </>
        )}
        {error.expected && (
          <>
            <dt>{t("upload.expected")}</dt>
            <dd>{error.expected}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

function Facts({ upload }: { upload: Upload }) {
  return (
    <dl class="facts panel">
      <dt>{t("upload.phase")}</dt>
      <dd>
        <span role="status">
          <PhaseBadge phase={upload.phase} />
        </span>{" "}
        {upload.failed_in && t("upload.failedIn", { phase: phaseText(upload.failed_in) })}
      </dd>
      <dt>{t("upload.place")}</dt>
      <dd>
        {upload.images?.length
          ? upload.images.flatMap((image) =>
              (image.tags.length ? image.tags : [undefined]).map((tag) => (
                <p key={image.digest + image.repository + tag}>
                  <ImageLink repository={image.repository} digest={image.digest} tag={tag} />
                </p>
              )),
            )
          : targetText(upload) || t("upload.ownNames")}
      </dd>
      <dt>{t("upload.user")}</dt>
      <dd>
        {upload.user} <span class="muted">{upload.address}</span>
      </dd>
      <dt>{t("upload.way")}</dt>
      <dd>{ways[upload.way] ? t(ways[upload.way]!) : upload.way}</dd>
      <dt>{t("upload.started")}</dt>
      <dd>
        <When time={upload.started} />
      </dd>
      {upload.ended && (
        <>
          <dt>{t("upload.ended")}</dt>
          <dd>
            <When time={upload.ended} />{" "}
            <span class="muted">
              {t("upload.took", {
                time: durationText((Date.parse(upload.ended) - Date.parse(upload.started)) / 1000),
              })}
            </span>
          </dd>
        </>
      )}
      <dt>{t("upload.received")}</dt>
      <dd>{progressText(upload.received, hasEnded(upload) ? null : upload.expected, upload.rate)}</dd>
      <dt>{t("upload.id")}</dt>
      <dd>
        <code>{upload.id}</code> <Copy text={upload.id} what={t("upload.id")} />
      </dd>
      {upload.request_id && (
        <>
          <dt>{t("problem.requestId")}</dt>
          <dd>
            <code>{upload.request_id}</code> <Copy text={upload.request_id} what={t("problem.requestId")} />
          </dd>
        </>
      )}
    </dl>
  );
}

function Layers({ upload }: { upload: Upload }) {
  if (!upload.layers?.length) return null;
  return (
    <section class="panel">
      <h2>{t("upload.files")}</h2>
      <ul class="layers">
        {upload.layers.map((layer) => (
          <li key={layer.digest}>
            <code title={layer.digest}>{layer.digest?.slice(0, SHORT_DIGEST)}</code>
            <Bar value={layer.received} max={layer.size} label={layer.digest ?? t("upload.files")} />
            <span class="muted">{bytesText(layer.size ?? layer.received)}</span>
          </li>
        ))}
      </ul>
      {!!upload.more_layers && <p class="muted">{t("upload.moreLayers", { n: upload.more_layers })}</p>}
    </section>
  );
}

export function One({ id }: { id: string }) {
  const { data, problem, reload } = useGet<Upload>(uploadPath(id));
  const [heard, hear] = useState<Upload | null>(null);
  const upload = heard ?? data;
  useEvents(
    data && !hasEnded(data) && !(heard && hasEnded(heard)) ? `${uploadPath(id)}/events` : null,
    ["progress", "end"],
    (_, now) => hear(now as Upload),
  );
  useTitle(upload ? placeText(upload) || t("upload.title") : t("upload.title"));
  const cancel = async () => {
    const yes = await confirm({
      title: t("upload.cancel.title"),
      body: <p>{t("upload.cancel.that", { size: bytesText(upload?.received ?? 0) })}</p>,
      action: t("upload.cancel"),
      danger: true,
    });
    if (!yes) return;
    try {
      await giveUp(id);
    } catch (e) {
      toast(e instanceof Problem ? e.message : String(e), { bad: true });
    }
    hear(null);
    reload();
  };
  return (
    <>
      <a class="back" href={at("/ui/upload")}>
        <Icon name="chevron" />
        {t("upload.all")}
      </a>
      <header class="page-head">
        <h1 class="long">{upload ? placeText(upload) || t("upload.one") : t("upload.one")}</h1>
        {upload && !hasEnded(upload) && upload.way === "session" && (
          <button type="button" class="danger" onClick={cancel}>
            {t("upload.cancel")}…
          </button>
        )}
      </header>
      {problem && <ProblemView problem={problem} retry={reload} />}
      {!upload && !problem && <Skeleton lines={6} />}
      {upload && !hasEnded(upload) && (
        <Bar value={upload.received} max={upload.expected} label={t("upload.received")} />
      )}
      {upload && <Failure upload={upload} />}
      {upload && <Facts upload={upload} />}
      {upload && <Layers upload={upload} />}
    </>
  );
}
