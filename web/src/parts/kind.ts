/* What something in a registry is, by its types: an artifact is more than "application/vnd…". */
import { t } from "../text/text";

export type Kind =
  | "image"
  | "index"
  | "chart"
  | "wasm"
  | "sbom"
  | "signature"
  | "attestation"
  | "model"
  | "policy"
  | "config"
  | "artifact";

const kinds: readonly [RegExp, Kind][] = [
  [/^application\/vnd\.cncf\.helm\.|helm\.chart/, "chart"],
  [/wasm/, "wasm"],
  [/spdx|cyclonedx|syft|\bsbom\b/, "sbom"],
  [/in-toto|attestation/, "attestation"],
  [/cosign|notary|sigstore|signature/, "signature"],
  [/\.(model|ai|ollama|kitops|mlmodel|huggingface)\b|modelpack|modelkit/, "model"],
  [/openpolicyagent|kyverno|\.policy\b/, "policy"],
  [/cncf\.flux|argoproj/, "config"],
];

const cosign: Record<string, Kind> = { sig: "signature", att: "attestation", sbom: "sbom" };

export interface Typed {
  media_type: string;
  artifact_type: string | null;
}

/** `tag` as cosign names signatures: "sha256-HEX.sig". */
export function kindOf({ media_type, artifact_type }: Typed, tag = ""): Kind {
  const beside = /^sha256-[0-9a-f]{64}(?:\.(sig|att|sbom))?$/.exec(tag);
  if (beside?.[1]) return cosign[beside[1]]!;
  if (artifact_type) return kinds.find(([type]) => type.test(artifact_type))?.[1] ?? "artifact";
  return /index|manifest\.list/.test(media_type) ? "index" : "image";
}

/** Images need no name: they are what one expects. */
export function kindText(kind: Kind): string {
  return t(`kind.${kind}`);
}
