/** A real registry with real content, for a test file. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("../..", import.meta.url));
const binary = process.env.REGISTRY_BINARY ?? join(top, "build/registry");
const READY_MS = 20_000;

export interface Pushed {
  annotations?: Record<string, string>;
  layers?: readonly Buffer[];
  env?: readonly string[];
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address && typeof address === "object" ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class Registry {
  url = "";
  readonly prefix: string;
  private readonly work = mkdtempSync(join(tmpdir(), "cyberdock-ui-"));
  private readonly config: Record<string, unknown>;
  private process: ChildProcess | null = null;
  private port = 0;
  private authorization: Record<string, string> = {};

  /** config: as the YAML file has it, above all of this. */
  constructor(config: Record<string, unknown> = {}) {
    this.config = config;
    this.prefix = ((config.http as { prefix?: string } | undefined)?.prefix ?? "/").replace(/\/$/, "");
  }

  private get file() {
    return join(this.work, "registry.yaml");
  }

  async start(): Promise<this> {
    this.port ||= await freePort();
    const http = { listen: [`127.0.0.1:${this.port}`], ...(this.config.http as object) };
    const storage = { filesystem: { root: join(this.work, "root") } };
    writeFileSync(this.file, JSON.stringify({ storage, log: { access: false, level: "error" }, ...this.config, http })); // JSON is YAML
    this.url = `http://127.0.0.1:${this.port}${this.prefix}`;
    this.process = spawn(binary, ["serve", "--config", this.file], { stdio: ["ignore", "ignore", "inherit"] });
    const until = Date.now() + READY_MS;
    while (Date.now() < until) {
      if (this.process.exitCode !== null) throw new Error(`the registry ended with ${this.process.exitCode}`);
      const answer = await fetch(`${this.url}/healthz`).catch(() => null);
      if (answer?.ok) return this;
      await new Promise((again) => setTimeout(again, 20));
    }
    throw new Error("the registry was not ready in time");
  }

  /** Ends the process; start() goes on with the same content at the same address. */
  async halt() {
    const process = this.process;
    this.process = null;
    if (!process || process.exitCode !== null) return;
    await new Promise((done) => {
      process.once("exit", done);
      process.kill("SIGTERM");
    });
  }

  async stop() {
    await this.halt();
    rmSync(this.work, { recursive: true, force: true });
  }

  /** A command of the program, with this configuration: registry.run(["user", "add", "alice"], "password\n"). */
  run(command: readonly string[], input = ""): string {
    return execFileSync(binary, [...command, "--config", this.file], { input, encoding: "utf8" });
  }

  /** Who pushes, from now on. */
  as(user: string, password: string): this {
    this.authorization = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
    return this;
  }

  async send(method: string, path: string, body?: Buffer | string, headers: Record<string, string> = {}): Promise<Response> {
    const bytes = typeof body === "string" ? body : body ? new Uint8Array(body) : null;
    const answer = await fetch(this.url + path, { method, body: bytes, headers: { ...this.authorization, ...headers } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async blob(repository: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
    const digest = digestOf(bytes);
    await this.send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, bytes, {
      "Content-Type": "application/octet-stream",
    });
    return { digest, size: bytes.length };
  }

  /** Pushes a small image; returns its digest. */
  async push(repository: string, tag: string, { annotations, layers = [], env = [] }: Pushed = {}): Promise<string> {
    const config = await this.blob(
      repository,
      Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: { Env: env }, rootfs: { type: "layers", diff_ids: layers.map(digestOf) } })),
    );
    const type = "application/vnd.oci.image.manifest.v1+json";
    const manifest = {
      schemaVersion: 2,
      mediaType: type,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: await Promise.all(
        layers.map(async (one) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar", ...(await this.blob(repository, one)) })),
      ),
      annotations,
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    await this.send("PUT", `/v2/${repository}/manifests/${tag}`, bytes, { "Content-Type": type });
    return digestOf(bytes);
  }
}
