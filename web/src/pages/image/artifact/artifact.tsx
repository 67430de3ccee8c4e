/* Artifacts, shown as what they are: only small blobs are looked into. */
import { useState } from "preact/hooks";
import { blobPath, type Descriptor, LOOK_BYTES, loadBytes, loadText, useLoad } from "../../../api/image";
import { at } from "../../../app/base";
import { Icon } from "../../../parts/icon";
import { ProblemView } from "../../../parts/problem";
import { Size } from "../../../parts/size";
import { Skeleton } from "../../../parts/skeleton";
import { visible } from "../../../parts/visible";
import { number, t } from "../../../text/text";
import { Facts, Foreign, Note, useSome } from "../facts";
import { isText } from "../kind";
import type { PanelProps } from "../lazy";
import { PackageList } from "../packages";
import { packagesOf } from "../sbom";
import type { Shown } from "../shown";
import { Card, Chart, Params } from "./known";
import { statementOf } from "./statement";
import { gunzip, type Member, untar } from "./tar";
import { Text } from "./text";
import { readWasm } from "./wasm";

const STATEMENTS = 4; // of a manifest that are shown; the others stand below
const SUBJECTS = 20;
const UNPACKED_BYTES = 32 * 1024 * 1024;

/** What a layer is called: by whoever pushed it, or by its type. */
export function titleOf(one: Descriptor): string {
  const names = one.annotations ?? {};
  return (
    names["org.opencontainers.image.title"] ??
    names["org.cncf.model.filepath"] ??
    names["ml.kitops.modelkit.layer.path"] ??
    ""
  );
}

function Blob({ shown, one }: { shown: Shown; one: Descriptor }) {
  const [open, setOpen] = useState(false);
  const { name } = shown.image;
  const small = one.size <= LOOK_BYTES;
  const { data, problem } = useLoad(open && small ? one.digest : null, async (signal) => {
    const bytes = await loadBytes(name, one.digest, signal);
    return isText(bytes) ? new TextDecoder().decode(bytes) : "";
  });
  const title = titleOf(one) || one.mediaType;
  const file = (titleOf(one).split("/").pop() || one.digest.replace(":", "-")).slice(0, 200);
  return (
    <li>
      <div class="node">
        {small ? (
          <button
            type="button"
            class="plain turn"
            aria-expanded={open}
            aria-label={t("image.blob.show", { what: title.slice(0, 100) })}
            onClick={() => setOpen(!open)}
          >
            <Icon name="chevron" />
          </button>
        ) : (
          <span class="turn" />
        )}
        <bdi class="mono type" title={title}>
          {visible(title)}
        </bdi>
        {titleOf(one) && <bdi class="muted type">{one.mediaType}</bdi>}
        <Size bytes={one.size} />
        <a
          href={at(blobPath(name, one.digest))}
          download={file}
          aria-label={t("image.blob.download", { what: title.slice(0, 100) })}
        >
          <Icon name="download" />
        </a>
      </div>
      {open && (
        <div class="below">
          {problem?.code === "TOO_LARGE" ? <TooLarge /> : problem && <ProblemView problem={problem} />}
          {!problem && data === null && <Skeleton />}
          {data === "" && <p class="muted">{t("image.files.binary")}</p>}
          {data && <Text text={data} label={title.slice(0, 100)} />}
        </div>
      )}
    </li>
  );
}

function Blobs({ shown }: { shown: Shown }) {
  const { manifest } = shown.came;
  const layers = manifest.layers ?? [];
  const blobs = manifest.config && manifest.config.size > 2 ? [manifest.config, ...layers] : layers;
  const [some, more] = useSome(blobs);
  if (!blobs.length) return null;
  return (
    <section class="part">
      <h2>
        {t("image.blobs")} <span class="muted">{number(blobs.length)}</span>
      </h2>
      <ul class="tree">
        {some.map((one, i) => (
          <Blob key={i} shown={shown} one={one} />
        ))}
      </ul>
      {more}
    </section>
  );
}

function layerOf(shown: Shown, pattern: RegExp): Descriptor | null {
  return shown.came.manifest.layers?.find((one) => pattern.test(one.mediaType)) ?? null;
}

function TooLarge() {
  return <Note>{t("image.tooLarge")}</Note>;
}

/** The file nearest to the top of a chart with this name: those of dependencies lie deeper. */
function fileOf(members: readonly Member[], pattern: RegExp): string | null {
  const found = members
    .filter((one) => pattern.test(one.name))
    .sort((a, b) => a.name.split("/").length - b.name.split("/").length)[0];
  return found ? new TextDecoder().decode(found.bytes) : null;
}

function Helm({ shown }: { shown: Shown }) {
  const { name } = shown.image;
  const { config } = shown.came.manifest;
  const layer = layerOf(shown, /helm\.chart\.content/);
  const small = layer && layer.size <= LOOK_BYTES;
  const meta = useLoad(config && config.size <= LOOK_BYTES ? config.digest : null, async (signal) => {
    return JSON.parse(await loadText(name, config!.digest, signal)) as Record<string, unknown>;
  });
  const content = useLoad(small ? layer.digest : null, async (signal) => {
    const members = untar(await gunzip(await loadBytes(name, layer!.digest, signal), UNPACKED_BYTES));
    return {
      readme: fileOf(members, /^[^/]+\/readme(\.md|\.txt)?$/i),
      values: fileOf(members, /^[^/]+\/values\.yaml$/),
      files: members.map((one) => ({ name: one.name, size: one.bytes.length })),
    };
  });
  return (
    <>
      {meta.problem &&
        (meta.problem.code === "TOO_LARGE" ? <TooLarge /> : <ProblemView problem={meta.problem} />)}
      {meta.data && <Chart meta={meta.data} />}
      {content.problem && <Note bad>{content.problem.message}</Note>}
      {layer && !small && <TooLarge />}
      {small && !content.data && !content.problem && <Skeleton lines={4} />}
      {content.data?.readme && <Card title="README" text={content.data.readme} />}
      {content.data?.values && (
        <section class="part">
          <h2>{t("image.values")}</h2>
          <Text text={content.data.values} label={t("image.values")} />
        </section>
      )}
      {content.data && (
        <details class="raw">
          <summary>
            {t("image.files")} <span class="muted">{number(content.data.files.length)}</span>
          </summary>
          <Sizes of={content.data.files} />
        </details>
      )}
    </>
  );
}

/** Names with how large they are. */
function Sizes({ of }: { of: readonly { name: string; size: number }[] }) {
  const [some, more] = useSome(of);
  return (
    <>
      <ul class="largest">
        {some.map((one, i) => (
          <li key={i}>
            <bdi class="mono">{visible(one.name)}</bdi>
            <Size bytes={one.size} />
          </li>
        ))}
      </ul>
      {more}
    </>
  );
}

function Names({ title, list }: { title: string; list: readonly string[] }) {
  if (!list.length) return null;
  return (
    <section class="part">
      <h2>
        {title} <span class="muted">{number(list.length)}</span>
      </h2>
      <ul class="names mono">
        {list.map((one) => (
          <li key={one}>
            <bdi>{visible(one).slice(0, 300)}</bdi>
          </li>
        ))}
      </ul>
    </section>
  );
}

function WasmView({ shown }: { shown: Shown }) {
  const layer = layerOf(shown, /wasm/) ?? shown.came.manifest.layers?.[0] ?? null;
  const small = layer && layer.size <= LOOK_BYTES;
  const { data, problem } = useLoad(small ? layer.digest : null, async (signal) =>
    readWasm(await loadBytes(shown.image.name, layer!.digest, signal)),
  );
  if (layer && !small) return <TooLarge />;
  if (problem) return <Note bad>{problem.message}</Note>;
  if (!data) return <Skeleton />;
  return (
    <>
      <Facts
        rows={[
          [t("image.wasm.kind"), t(data.component ? "image.wasm.component" : "image.wasm.module")],
          [t("image.version"), number(data.version)],
        ]}
      />
      <Names title={t("image.wasm.imports")} list={data.imports} />
      <Names title={t("image.wasm.exports")} list={data.exports} />
      <section class="part">
        <h2>
          {t("image.wasm.sections")} <span class="muted">{number(data.sections.length)}</span>
        </h2>
        <Sizes of={data.sections} />
      </section>
    </>
  );
}

/** A statement about an image; a list of packages is shown as one. */
function StatementView({ shown, one }: { shown: Shown; one: Descriptor }) {
  const { data, problem } = useLoad(one.digest, async (signal) => {
    const json: unknown = JSON.parse(await loadText(shown.image.name, one.digest, signal));
    const statement = statementOf(json);
    return { statement, packages: statement && packagesOf(statement.whole) };
  });
  if (problem) return <Note bad>{t("image.statement.unreadable")}</Note>;
  if (!data) return <Skeleton lines={3} />;
  const { statement, packages } = data;
  if (!statement) return null;
  return (
    <section class="part">
      <h2>{t("image.statement")}</h2>
      <Facts
        rows={[
          [t("image.signature.predicate"), <Foreign key="p" text={statement.predicateType} />],
          [t("image.signature.builder"), statement.builder && <Foreign text={statement.builder} />],
          [t("image.statement.buildType"), statement.buildType && <Foreign text={statement.buildType} />],
          [
            t("image.statement.about"),
            statement.subjects.length > 0 && (
              <ul class="names">
                {statement.subjects.slice(0, SUBJECTS).map((subject) => (
                  <li key={`${subject.name} ${subject.digest}`}>
                    <Foreign text={subject.name} /> <Foreign mono text={subject.digest} />
                  </li>
                ))}
              </ul>
            ),
          ],
        ]}
      />
      {packages?.length ? (
        <PackageList list={packages} more="license" />
      ) : (
        <Text text={JSON.stringify(statement.predicate ?? null)} label={t("image.signature.predicate")} />
      )}
    </section>
  );
}

/** Those that are not too large, of the first few. */
function Statements({ shown }: { shown: Shown }) {
  const layers = (shown.came.manifest.layers ?? []).filter((one) => /json|dsse|bundle/.test(one.mediaType));
  return (
    <>
      {layers
        .slice(0, STATEMENTS)
        .map((one) =>
          one.size <= LOOK_BYTES ? (
            <StatementView key={one.digest} shown={shown} one={one} />
          ) : (
            <TooLarge key={one.digest} />
          ),
        )}
    </>
  );
}

function Sbom({ shown }: { shown: Shown }) {
  const layer = shown.came.manifest.layers?.[0] ?? null;
  const small = layer && layer.size <= LOOK_BYTES;
  const { data, problem } = useLoad(small ? layer.digest : null, async (signal) =>
    packagesOf(JSON.parse(await loadText(shown.image.name, layer!.digest, signal))),
  );
  if (!layer) return null;
  if (!small) return <TooLarge />;
  if (problem) return <Note bad>{t("image.sbom.unreadable")}</Note>;
  if (!data) return null;
  return (
    <section class="part">
      <h2>{t("image.packages")}</h2>
      {data.length ? (
        <PackageList list={data} more="license" />
      ) : (
        <p class="muted">{t("image.packages.none")}</p>
      )}
    </section>
  );
}

const cards = /readme(\.\w+)?$|model.?card/i;
const docs = /\.doc\.|readme|license|kitops\.modelkit\.docs/i;

function Model({ shown }: { shown: Shown }) {
  const { name } = shown.image;
  const { config, layers = [] } = shown.came.manifest;
  const card =
    layers.find((one) => cards.test(titleOf(one))) ??
    layers.find((one) => docs.test(one.mediaType) && !/license/i.test(one.mediaType)) ??
    null;
  const params = layers.find((one) => /ollama\.image\.params/.test(one.mediaType)) ?? null;
  const meta = useLoad(
    config && config.size > 2 && config.size <= LOOK_BYTES ? config.digest : null,
    async (signal) => {
      return JSON.parse(await loadText(name, config!.digest, signal)) as Record<string, unknown>;
    },
  );
  const small = card && card.size <= LOOK_BYTES;
  const text = useLoad(small ? card.digest : null, async (signal) => {
    const bytes = await loadBytes(name, card!.digest, signal);
    if (isText(bytes)) return new TextDecoder().decode(bytes);
    return fileOf(untar(await gunzip(bytes, UNPACKED_BYTES)), cards);
  });
  return (
    <>
      {meta.data && <Params meta={meta.data} />}
      {params && params.size <= LOOK_BYTES && <ParamsOf shown={shown} one={params} />}
      {text.data && <Card title={t("image.card")} text={text.data} />}
      {text.problem && <Note bad>{text.problem.message}</Note>}
      {!card && <p class="muted">{t("image.card.none")}</p>}
    </>
  );
}

function ParamsOf({ shown, one }: { shown: Shown; one: Descriptor }) {
  const { data } = useLoad(one.digest, async (signal) => {
    return JSON.parse(await loadText(shown.image.name, one.digest, signal)) as Record<string, unknown>;
  });
  return data && <Params meta={data} />;
}

export default function Artifact({ shown }: PanelProps) {
  const { kind } = shown;
  return (
    <>
      {kind === "chart" && <Helm shown={shown} />}
      {kind === "wasm" && <WasmView shown={shown} />}
      {kind === "sbom" && <Sbom shown={shown} />}
      {(kind === "attestation" || kind === "signature") && <Statements shown={shown} />}
      {kind === "model" && <Model shown={shown} />}
      {kind === "artifact" && <Description shown={shown} />}
      <Blobs shown={shown} />
    </>
  );
}

function Description({ shown }: { shown: Shown }) {
  const text = shown.came.manifest.annotations?.["org.opencontainers.image.description"];
  return text ? (
    <p class="part">
      <Foreign text={text} />
    </p>
  ) : null;
}
