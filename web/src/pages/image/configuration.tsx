/* How the image of a platform runs. */
import { loadManifest, loadText, parseConfig, useLoad } from "../../api/image";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { t } from "../../text/text";
import { ConfigView } from "./config-view";
import { Note, Pairs } from "./facts";
import type { PanelProps } from "./lazy";
import { Digest, pairsOf } from "./overview";

export default function Configuration({ shown }: PanelProps) {
  const { name } = shown.image;
  const { data, problem, reload } = useLoad(shown.child, async (signal) => {
    const { manifest } = await loadManifest(name, shown.child, signal);
    if (!manifest.config) return { manifest, config: null };
    const config = parseConfig(await loadText(name, manifest.config.digest, signal));
    return { manifest, config };
  });
  if (problem?.status === 404) return <Note>{t("image.notHere", { platform: shown.platform ?? "" })}</Note>;
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton lines={8} />;
  return (
    <>
      {data.config && (
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
