/* What a manifest is, by what it says of itself. */
import type { Descriptor, Manifest } from "../../api/image";
import { type Kind, kindOf as kindOfTypes } from "../../parts/kind";

const configs = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

export function isIndex(manifest: Manifest, mediaType: string): boolean {
  return !!manifest.manifests && /index|manifest\.list/.test(mediaType || manifest.mediaType || "");
}

function byType(type: string): Kind | null {
  if (/dsse/.test(type)) return "attestation"; // as cosign attaches them
  const kind = type ? kindOfTypes({ media_type: "", artifact_type: type }) : "artifact";
  return kind === "artifact" ? null : kind;
}

/** As a list of referrers or an index tells it. */
export function kindOfDescriptor(one: Descriptor): Kind {
  const type = one.artifactType ?? "";
  const kind = byType(type);
  if (kind) return kind;
  if (/index|manifest\.list/.test(one.mediaType)) return "index";
  return type && !configs.has(type) ? "artifact" : "image";
}

export function kindOf(manifest: Manifest, mediaType: string): Kind {
  if (isIndex(manifest, mediaType)) return "index";
  const layers = manifest.layers ?? [];
  const inside = layers.map((one) => byType(one.mediaType)).find((kind) => kind);
  const config = manifest.config?.mediaType ?? "";
  if (manifest.artifactType) return byType(manifest.artifactType) ?? inside ?? "artifact";
  if (configs.has(config)) return inside === "signature" || inside === "attestation" ? inside : "image";
  return byType(config) ?? inside ?? (config ? "artifact" : "image");
}

/** Can be run: it has layers of files, and what is found out about these. */
export function isImage(kind: Kind): boolean {
  return kind === "image" || kind === "index";
}

/** "linux/arm/v7"; "" is none that runs. */
export function platformText(one: { platform?: Descriptor["platform"] }): string {
  const { os, architecture, variant } = one.platform ?? {};
  if (!os || os === "unknown") return "";
  return [os, architecture, variant].filter(Boolean).join("/");
}

/** Images of an index that can be run; attestations of BuildKit stand there as well. */
export function platformsOf(manifest: Manifest): { text: string; descriptor: Descriptor }[] {
  return (manifest.manifests ?? []).flatMap((descriptor) => {
    const text = platformText(descriptor);
    return text ? [{ text, descriptor }] : [];
  });
}

const BLANK = /^\s*\{/;

/** Bytes of the layers that can be shown as text; others are left alone. */
export function isText(bytes: Uint8Array): boolean {
  if (bytes.subarray(0, 8192).includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** JSON with line breaks; anything else as it is. */
export function pretty(text: string): string {
  if (!BLANK.test(text) && !text.trimStart().startsWith("[")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
