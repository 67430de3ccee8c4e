import { describe, expect, test } from "vitest";
import { imagePage, nameOf, parseConfig, parseImage } from "../../api/image";
import { statementOf } from "./artifact/statement";
import { gunzip, untar } from "./artifact/tar";
import { readWasm } from "./artifact/wasm";
import { command, steps } from "./config-view";
import { isText, kindOf, platformsOf, pretty } from "./kind";
import { packagesOf } from "./sbom";
import { nameBefore } from "./tag-path";

const bytes = (...parts: (number | string)[]) =>
  new Uint8Array(parts.flatMap((one) => (typeof one === "number" ? [one] : [...Buffer.from(one)])));

describe("the name of an image", () => {
  test("has a tag or a digest", () => {
    expect(parseImage("team/app:v1")).toEqual({ name: "team/app", reference: "v1", tag: "v1" });
    const digest = `sha256:${"0".repeat(64)}`;
    expect(parseImage(`app@${digest}`)).toEqual({ name: "app", reference: digest, tag: null });
    for (const wrong of ["team/app", "app:", ":v1", ""]) expect(parseImage(wrong)).toBeNull();
  });
  test("is written as it was read", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    for (const text of ["team/app:v1", `app@${digest}`]) expect(nameOf(parseImage(text)!)).toBe(text);
    expect(imagePage("a/b", digest)).toBe(`/ui/images/a/b@${digest}`);
  });
  test("comes just after the one before", () => {
    const tags = ["1", "1.0", "1.0-rc", "1.0.1", "1.1", "A", "_x", "a", "latest", "v-"];
    for (const tag of tags) {
      const before = nameBefore(tag);
      expect(before < tag, `${before} ${tag}`).toBe(true);
      expect(before === "" || /^\w[\w.-]*$/.test(before), before).toBe(true);
    }
  });
});

describe("what a manifest is", () => {
  const config = (mediaType: string) => ({ config: { mediaType, digest: "", size: 2 } });
  const oci = "application/vnd.oci.image.manifest.v1+json";
  test("an image, a chart, an index, a signature, something else", () => {
    expect(kindOf(config("application/vnd.oci.image.config.v1+json"), oci)).toBe("image");
    expect(kindOf(config("application/vnd.cncf.helm.config.v1+json"), oci)).toBe("chart");
    expect(kindOf({ manifests: [] }, "application/vnd.oci.image.index.v1+json")).toBe("index");
    const layers = [{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest: "", size: 1 }];
    expect(kindOf({ ...config("application/vnd.oci.image.config.v1+json"), layers }, oci)).toBe("signature");
    expect(kindOf({ artifactType: "application/vnd.example" }, oci)).toBe("artifact");
  });
  test("platforms are those that can be run", () => {
    const one = { mediaType: oci, digest: "d", size: 1 };
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    const manifests = [
      { ...one, platform },
      { ...one, platform: { os: "unknown", architecture: "unknown" } },
      one,
    ];
    expect(platformsOf({ manifests }).map((p) => p.text)).toEqual(["linux/arm/v7"]);
  });
});

test("steps have the layers that they made", () => {
  const layer = (digest: string) => ({ mediaType: "", digest, size: 1 });
  const found = steps(
    [{ created_by: "a" }, { created_by: "b", empty_layer: true }],
    [layer("1"), layer("2")],
  );
  expect(found.map((one) => one.layer?.digest ?? null)).toEqual(["1", null, "2"]);
  expect(command('/bin/sh -c #(nop)  CMD ["sh"]')).toBe('CMD ["sh"]');
  expect(command("RUN /bin/sh -c make # buildkit")).toBe("RUN make");
});

test("a config of another shape is what can be read of it", () => {
  const none = parseConfig("{}");
  const odd =
    '{"config":{"Env":"A=b","Cmd":{"a":1},"Labels":[1],"ExposedPorts":null,"Healthcheck":3},"history":[null,7],"os":5}';
  expect(parseConfig(odd)).toEqual({
    ...none,
    history: [none, none].map(() => ({ created: "", created_by: "", comment: "", empty_layer: false })),
  });
  for (const wrong of ["null", "[]", "3"]) expect(parseConfig(wrong)).toEqual(none);
});

describe("a tar", () => {
  test("that is cut is refused", () => {
    const head = new Uint8Array(512);
    head.set(bytes("name"), 0);
    head.set(bytes("00000001000"), 124);
    expect(() => untar(head)).toThrow("cut");
    expect(untar(new Uint8Array(1024))).toEqual([]);
  });
  test("is unpacked as far as it may be", async () => {
    const { gzipSync } = await import("node:zlib");
    const packed = new Uint8Array(gzipSync(Buffer.alloc(10_000)));
    expect((await gunzip(packed, 10_000)).length).toBe(10_000);
    await expect(gunzip(packed, 9_999)).rejects.toThrow("more than");
  });
});

describe("WebAssembly", () => {
  const head = [0, "asm", 1, 0, 0, 0];
  test("says what it imports and exports", () => {
    const wasm = readWasm(bytes(...head, 2, 9, 1, 3, "env", 1, "f", 0, 0, 7, 5, 1, 1, "g", 0, 1));
    expect(wasm).toMatchObject({ component: false, imports: ["env.f"], exports: ["g"] });
  });
  test("that is damaged is refused", () => {
    for (const wrong of [
      bytes("no"),
      bytes(...head, 2, 9, 1),
      bytes(...head, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
    ])
      expect(() => readWasm(wrong)).toThrow();
  });
});

describe("a statement", () => {
  const plain = {
    predicateType: "https://slsa.dev/provenance/v1",
    subject: [{ name: "app", digest: { sha256: "00" } }],
    predicate: { buildDefinition: { buildType: "t" }, runDetails: { builder: { id: "b" } } },
  };
  const envelope = { payload: Buffer.from(JSON.stringify(plain)).toString("base64") };
  test("is found in what is around it", () => {
    for (const one of [plain, envelope, { dsseEnvelope: envelope }])
      expect(statementOf(one)).toMatchObject({
        builder: "b",
        buildType: "t",
        subjects: [{ name: "app", digest: "sha256:00" }],
      });
  });
  test("of any other shape is none, or damaged", () => {
    for (const one of [null, [], {}, { messageSignature: {} }, { predicateType: 3 }])
      expect(statementOf(one)).toBeNull();
    expect(statementOf({ predicateType: "x", subject: [null, { digest: [] }], predicate: 7 })).toMatchObject({
      builder: "",
    });
    for (const one of [{ payload: "%" }, { payload: "AAAA" }]) expect(() => statementOf(one)).toThrow();
  });
});

describe("lists of packages", () => {
  test("are read in the forms that there are", () => {
    const cyclonedx = {
      bomFormat: "CycloneDX",
      components: [{ name: "a", version: "1", purl: "pkg:npm/a@1" }],
    };
    const spdx = { spdxVersion: "SPDX-2.3", packages: [{ name: "a", versionInfo: "1" }] };
    const syft = { artifacts: [{ name: "a", version: "1", type: "deb" }] };
    const statement = { predicateType: "x", predicate: spdx };
    for (const one of [cyclonedx, spdx, syft, statement])
      expect(packagesOf(one)).toMatchObject([{ name: "a", version: "1" }]);
  });
  test("of anything else are none", () => {
    for (const one of [null, 3, "x", [], {}, { predicateType: "x", predicate: null }])
      expect(packagesOf(one)).toBeNull();
    expect(packagesOf({ bomFormat: "CycloneDX", components: [null, 3, { name: {} }] })).toHaveLength(3);
  });
});

test("text is what has no zero and is UTF-8", () => {
  expect(isText(bytes("hello"))).toBe(true);
  expect(isText(bytes("a", 0))).toBe(false);
  expect(isText(bytes(0xff, 0xfe))).toBe(false);
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(pretty("{no")).toBe("{no");
});
