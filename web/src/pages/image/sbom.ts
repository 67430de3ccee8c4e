/* Lists of packages of others: CycloneDX, SPDX (2 and 3), Syft; also in a statement of in-toto. */
import type { Package } from "../../api/image";

const MAX_DEPTH = 8;

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Json) : {};
}

function array(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** pkg:deb/debian/curl@1 is of kind "deb". */
function kindOfPurl(purl: string): string {
  return /^pkg:([^/]+)\//.exec(purl)?.[1] ?? "";
}

function cyclonedx(components: unknown, depth = 0): Package[] {
  if (depth > MAX_DEPTH) return [];
  return array(components).flatMap((item) => {
    const one = object(item);
    const licenses = array(one.licenses).map((entry) => {
      const license = object(object(entry).license);
      return text(license.id) || text(license.name) || text(object(entry).expression);
    });
    const found: Package = {
      kind: kindOfPurl(text(one.purl)) || text(one.type),
      name: [text(one.group), text(one.name)].filter(Boolean).join("/"),
      version: text(one.version),
      license: licenses.filter(Boolean).join(", "),
      path: text(one["bom-ref"]),
    };
    return [found, ...cyclonedx(one.components, depth + 1)];
  });
}

function spdx(packages: unknown): Package[] {
  return array(packages).map((item) => {
    const one = object(item);
    const purl = array(one.externalRefs)
      .map((ref) => object(ref))
      .find((ref) => ref.referenceType === "purl");
    const license = text(one.licenseConcluded) || text(one.licenseDeclared);
    return {
      kind: kindOfPurl(text(purl?.referenceLocator)),
      name: text(one.name),
      version: text(one.versionInfo),
      license: license === "NOASSERTION" ? "" : license,
      path: text(one.SPDXID),
    };
  });
}

function spdx3(graph: unknown): Package[] {
  return array(graph)
    .map(object)
    .filter((one) => text(one.type).endsWith("Package"))
    .map((one) => ({
      kind: kindOfPurl(text(one.software_packageUrl)),
      name: text(one.name),
      version: text(one.software_packageVersion),
      license: "",
      path: text(one.spdxId),
    }));
}

function syft(artifacts: unknown): Package[] {
  return array(artifacts)
    .map(object)
    .map((one) => ({
      kind: text(one.type),
      name: text(one.name),
      version: text(one.version),
      license: array(one.licenses)
        .map((license) => text(license) || text(object(license).value))
        .filter(Boolean)
        .join(", "),
      path: text(one.id),
    }));
}

/** The packages that a document lists; null: it is no such list. */
export function packagesOf(document: unknown): Package[] | null {
  const top = object(document);
  const one = "predicateType" in top ? object(top.predicate) : top;
  if (one.bomFormat === "CycloneDX") return cyclonedx(one.components);
  if (text(one.spdxVersion)) return spdx(one.packages);
  if ("@graph" in one) return spdx3(one["@graph"]);
  if (Array.isArray(one.artifacts)) return syft(one.artifacts);
  return null;
}
