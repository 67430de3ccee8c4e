/* What refers to the image, and what refers to that. */
import { useState } from "preact/hooks";
import { allPages, type Descriptor, imagePage, referrersPath, useLoad } from "../../api/image";
import { at } from "../../app/base";
import { Empty } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { kindText } from "../../parts/kind";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { Skeleton } from "../../parts/skeleton";
import { t } from "../../text/text";
import { Foreign, shortDigest } from "./facts";
import { kindOfDescriptor } from "./kind";
import type { PanelProps } from "./lazy";

const PAGES = 10;

function useReferrers(name: string, digest: string | null) {
  return useLoad(digest, (signal) =>
    allPages<{ manifests: Descriptor[] }, Descriptor>(
      referrersPath(name, digest!),
      (page) => page.manifests,
      PAGES,
      signal,
    ),
  );
}

function Annotations({ annotations }: { annotations: Record<string, string> | undefined }) {
  const entries = Object.entries(annotations ?? {});
  if (!entries.length) return null;
  return (
    <ul class="annotations small muted">
      {entries.map(([name, value]) => (
        <li key={name}>
          <Foreign mono text={`${name}: ${value}`} />
        </li>
      ))}
    </ul>
  );
}

function Node({ name, one }: { name: string; one: Descriptor }) {
  const [open, setOpen] = useState(false);
  const { data, problem } = useReferrers(name, open ? one.digest : null);
  return (
    <li>
      <div class="node">
        <button
          type="button"
          class="plain turn"
          aria-expanded={open}
          aria-label={t("image.referrers.of", { what: shortDigest(one.digest) })}
          onClick={() => setOpen(!open)}
        >
          <Icon name="chevron" />
        </button>
        <span class="badge">{kindText(kindOfDescriptor(one))}</span>
        <a href={at(imagePage(name, one.digest))}>
          <code>{shortDigest(one.digest)}</code>
        </a>
        <bdi class="muted type">{one.artifactType || one.mediaType}</bdi>
        <Size bytes={one.size} />
      </div>
      {open && (
        <div class="below">
          <Annotations annotations={one.annotations} />
          {problem && <ProblemLine problem={problem} />}
          {data &&
            (data.items.length ? (
              <Nodes name={name} list={data.items} more={data.more} />
            ) : (
              <p class="muted small">{t("image.referrers.noneBelow")}</p>
            ))}
        </div>
      )}
    </li>
  );
}

function Nodes({ name, list, more }: { name: string; list: Descriptor[]; more: boolean }) {
  return (
    <ul class="tree">
      {list.map((one) => (
        <Node key={one.digest} name={name} one={one} />
      ))}
      {more && <li class="muted">{t("image.referrers.more")}</li>}
    </ul>
  );
}

function Root({ shown, digest }: PanelProps & { digest: string }) {
  const { name } = shown.image;
  const { data, problem, reload } = useReferrers(name, digest);
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton />;
  if (!data.items.length)
    return (
      <Empty icon="link" title={t("image.referrers.none")}>
        <p>{t("image.referrers.none.do")}</p>
      </Empty>
    );
  return <Nodes name={name} list={data.items} more={data.more} />;
}

export default function Referrers({ shown }: PanelProps) {
  const own = shown.came.digest;
  if (shown.child === own) return <Root shown={shown} digest={own} />;
  return (
    <>
      <section class="part">
        <h2>{t("image.referrers.ofIndex")}</h2>
        <Root shown={shown} digest={own} />
      </section>
      <section class="part">
        <h2>{t("image.referrers.ofPlatform", { platform: shown.platform ?? "" })}</h2>
        <Root key={shown.child} shown={shown} digest={shown.child} />
      </section>
    </>
  );
}
