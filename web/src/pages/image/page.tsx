import { type Came, type Image, imagePage, loadManifest, nameOf, parseImage, useLoad } from "../../api/image";
import { at, host } from "../../app/base";
import { encodePath, useQuery } from "../../app/router";
import type { PageProps } from "../../app/routes";
import { useTitle } from "../../app/title";
import { Copy } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { type Kind, kindText } from "../../parts/kind";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { type Tab, TabPanel, Tabs, useTab } from "../../parts/tabs";
import { t } from "../../text/text";
import { Actions } from "./actions";
import { isImage, kindOf, platformsOf } from "./kind";
import { Lazy } from "./lazy";
import { Overview } from "./overview";
import type { Shown } from "./shown";
import "./style.css";

/* Each tab but the first is code of its own, which comes when it is opened. */
const panels = {
  configuration: () => import("./configuration"),
  layers: () => import("./layers"),
  files: () => import("./files"),
  vulnerabilities: () => import("./vulnerabilities"),
  packages: () => import("./packages"),
  signatures: () => import("./signatures"),
  referrers: () => import("./referrers"),
  compare: () => import("./compare"),
  history: () => import("./history"),
};
type PanelId = keyof typeof panels;

function tabsOf(image: Image, kind: Kind): Tab[] {
  const ids: PanelId[] = isImage(kind)
    ? ["layers", "files", "vulnerabilities", "packages", "signatures", "referrers", "compare"]
    : ["signatures", "referrers"];
  if (kind === "index") ids.unshift("configuration");
  if (image.tag !== null) ids.push("history");
  return [
    { id: "overview", label: t(kind === "index" ? "image.platforms" : "image.overview") },
    ...ids.map((id) => ({ id, label: t(`image.${id}`) })),
  ];
}

function Choose({ shown }: { shown: Shown }) {
  const [, set] = useQuery("platform", shown.platforms[0]?.text);
  if (shown.platforms.length < 2) return null;
  return (
    <label class="image-platform">
      <span class="offscreen">{t("image.platform")}</span>
      <select value={shown.platform} onChange={(e) => set(e.currentTarget.value)}>
        {shown.platforms.map(({ text, descriptor }) => (
          <option key={descriptor.digest} value={text}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Head({ shown }: { shown: Shown }) {
  const { image, kind } = shown;
  const cut = image.name.lastIndexOf("/") + 1;
  return (
    <header class="image-head">
      <nav class="image-path small" aria-label={t("image.where")}>
        <a href={at("/")}>{t("repositories.title")}</a>
        <span aria-hidden="true">›</span>
        <a href={at(`/ui/repositories/${encodePath(image.name)}`)}>{image.name}</a>
      </nav>
      <div class="page-head">
        <h1>
          <bdi>
            {image.name.slice(cut)}
            <span class="muted">{image.tag === null ? "@" : ":"}</span>
            {image.tag ?? `${image.reference.slice(0, 19)}…`}
          </bdi>
          <Copy text={`${host}/${nameOf(image)}`} what={t("image.name")} />
          <span class="badge">{kindText(kind)}</span>
        </h1>
        <Choose shown={shown} />
        <Actions shown={shown} />
      </div>
    </header>
  );
}

function There({ image, came }: { image: Image; came: Came }) {
  const kind = kindOf(came.manifest, came.mediaType);
  const platforms = kind === "index" ? platformsOf(came.manifest) : [];
  const [wanted] = useQuery("platform");
  const chosen = platforms.find((one) => one.text === wanted) ?? platforms[0];
  const shown: Shown = {
    image,
    came,
    kind,
    platforms,
    platform: chosen?.text,
    child: chosen?.descriptor.digest ?? came.digest,
  };
  const tabs = tabsOf(image, kind);
  const tab = useTab(tabs);
  return (
    <div class="image-page">
      <Head shown={shown} />
      <Tabs tabs={tabs} label={t("image.parts")} />
      <TabPanel id={tab}>
        {tab === "overview" ? (
          <Overview shown={shown} />
        ) : (
          <Lazy key={tab} load={panels[tab as PanelId]} shown={shown} />
        )}
      </TabPanel>
    </div>
  );
}

export default function ImagePage({ rest }: PageProps) {
  const image = parseImage(rest);
  const { data, problem, reload } = useLoad(image && rest, (signal) =>
    loadManifest(image!.name, image!.reference, signal),
  );
  useTitle(rest);
  if (!image)
    return (
      <Empty page icon="boxes" title={t("image.noReference")}>
        <p>{t("image.noReference.do")}</p>
        <a class="button" href={at(imagePage(rest, "latest"))}>
          {rest}:latest
        </a>
      </Empty>
    );
  if (problem) return <ProblemView page problem={problem} retry={reload} />;
  if (!data) return <Skeleton lines={6} />;
  return <There key={data.digest} image={image} came={data} />;
}
