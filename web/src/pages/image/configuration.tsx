/* How the image of a platform runs. */
import { Problem } from "../../api/client";
import { LOOK_BYTES, loadManifest, loadText, parseConfig, useLoad } from "../../api/image";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { t } from "../../text/text";
import { ConfigView } from "./config-view";
import { Note, Pairs } from "./facts";
import type { PanelProps } from "./lazy";
import { Digest, LargeConfig, pairsOf } from "./overview";

export default function Configuration({ shown }: PanelProps) {
  const { name } = shown.image;
  const { data, problem, reload } = useLoad(shown.child, async (signal) => {
    const { manifest } = await loadManifest(name, shown.child, signal);
    if (!manifest.config) return { manifest, config: null };
    if (manifest.config.size > LOOK_BYTES) return { manifest, config: "large" as const };
    try {
      return { manifest, config: parseConfig(await loadText(name, manifest.config.digest, signal)) };
    } catch (e) {
      if (e instanceof Problem && e.code === "TOO_LARGE") return { manifest, config: "large" as const };
      throw e;
    }
  });
  if (problem?.status === 404) return <Note>{t("image.notHere", { platform: shown.platform ?? "" })}</Note>;
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton lines={8} />;
  return (
    <>
      {data.config === "large" && <LargeConfig of={{ manifest: data.manifest, digest: shown.child }} />}
      {data.config && data.config !== "large" && (
        <ConfigView
          config={data.config}
          layers={data.manifest.layers ?? []}
          before={[[t("image.digest"), <Digest key="d" digest={shown.child} />]]}
        />
      )}
      <Pairs label={t("image.annotations")} pairs={pairsOf(data.manifest.annotations)} />
    </>
  );
}
