/* How to pull something with each tool. Only for names and tags as the distribution API has them: none needs quotes. */
import type { Kind } from "../../parts/kind";

export interface Pulled {
  host: string; // HOST[:PORT]
  name: string;
  reference: string; // ":1.0" or "@sha256:…"
  tag: string;
  kind: Kind;
  secure: boolean; // by TLS
  local: boolean; // of this machine: most tools take it without TLS
}

export interface Tool {
  id: string;
  title: string;
  kinds: "images" | "charts" | "all" | "artifacts";
  commands: (of: Pulled) => string;
}

const image = (p: Pulled) => `${p.host}/${p.name}${p.reference}`;
const unless = (secure: boolean, flag: string) => (secure ? "" : `${flag} `);
const last = (name: string) => name.slice(name.lastIndexOf("/") + 1);

/** A name for Kubernetes: letters, digits and hyphens. */
const label = (name: string) =>
  last(name)
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "") || "app";

export const tools: readonly Tool[] = [
  {
    id: "helm",
    title: "Helm",
    kinds: "charts",
    commands: (p) => {
      const flags = p.secure ? "" : " --plain-http";
      const chart = `oci://${p.host}/${p.name}`;
      const version = p.reference.startsWith("@") ? p.reference : "";
      const option = version ? "" : ` --version ${p.tag.replaceAll("_", "+")}`;
      return `helm pull ${chart}${version}${option}${flags}\nhelm install ${label(p.name)} ${chart}${version}${option}${flags}`;
    },
  },
  { id: "docker", title: "Docker", kinds: "images", commands: (p) => `docker pull ${image(p)}` },
  {
    id: "podman",
    title: "Podman",
    kinds: "images",
    commands: (p) => `podman pull ${unless(p.secure, "--tls-verify=false")}${image(p)}`,
  },
  {
    id: "kubernetes",
    title: "Kubernetes",
    kinds: "images",
    commands: (p) =>
      [
        "apiVersion: v1",
        "kind: Pod",
        `metadata: {name: ${label(p.name)}}`,
        "spec:",
        "  containers:",
        `    - name: ${label(p.name)}`,
        `      image: ${image(p)}`,
      ].join("\n"),
  },
  {
    id: "containerd",
    title: "containerd",
    kinds: "images",
    commands: (p) => `ctr images pull ${unless(p.secure, "--plain-http")}${image(p)}`,
  },
  {
    id: "skopeo",
    title: "skopeo",
    kinds: "images",
    commands: (p) =>
      `skopeo copy --all ${unless(p.secure, "--src-tls-verify=false")}docker://${image(p)} oci:${label(p.name)}:${p.tag}`,
  },
  {
    id: "crane",
    title: "crane",
    kinds: "all",
    commands: (p) =>
      `crane pull --format=oci ${unless(p.secure || p.local, "--insecure")}${image(p)} ${label(p.name)}`,
  },
  {
    id: "oras",
    title: "ORAS",
    kinds: "all",
    commands: (p) => {
      const flag = unless(p.secure, "--plain-http");
      if (p.kind === "image" || p.kind === "index")
        return `oras copy ${unless(p.secure, "--from-plain-http")}--to-oci-layout ${image(p)} ${label(p.name)}:${p.tag}`;
      return `oras pull ${flag}${image(p)}`;
    },
  },
];

/** The tools for what this is, best first. */
export function toolsFor(kind: Kind): readonly Tool[] {
  if (kind === "image" || kind === "index") return tools.filter((one) => one.kinds !== "charts");
  const all = tools.filter((one) => one.kinds === "all").reverse();
  return kind === "chart" ? [...tools.filter((one) => one.kinds === "charts"), ...all] : all;
}
