/* Who signed it, and what the rules of this registry say of that. */
import { useGet } from "../../api/client";
import {
  apiPath,
  type Descriptor,
  imagePage,
  referrersPath,
  type Signature,
  type SignatureRule,
  type TagDetails,
  tagsPath,
} from "../../api/image";
import { at } from "../../app/base";
import { Commands } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { Icon } from "../../parts/icon";
import { kindText } from "../../parts/kind";
import { ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { type TextKey, t } from "../../text/text";
import { Facts, Foreign } from "./facts";
import { kindOfDescriptor } from "./kind";
import type { PanelProps } from "./lazy";
import type { Shown } from "./shown";

const verdicts = new Set([
  "good",
  "other_image",
  "expired",
  "revoked",
  "revocation_unknown",
  "no_time",
  "other_identity",
  "untrusted_chain",
  "other_key",
  "unknown",
]);

const example = (name: string) => `signatures:
  - repositories: ["${name}"]
    at: [pull]
    mode: warn
    cosign:
      - key: release.pub`;

function verdictText(verdict: string): string {
  return verdicts.has(verdict) ? t(`image.verdict.${verdict}` as TextKey) : verdict;
}

function One({ one, name }: { one: Signature; name: string }) {
  const good = one.verdict === "good";
  return (
    <li class={good ? "signature good" : "signature"}>
      <Icon name={good ? "check" : "warning"} />
      <div>
        <p>
          <b>{verdictText(one.verdict)}</b> <bdi class="muted">{one.form}</bdi>
        </p>
        {one.why && <Foreign text={one.why} />}
        <Facts
          rows={[
            [t("image.signature.identity"), one.identity && <Foreign text={one.identity} />],
            [t("image.signature.issuer"), one.issuer && <Foreign text={one.issuer} />],
            [t("image.signature.key"), one.key && <code class="image-long">{one.key}</code>],
            [t("image.signature.predicate"), one.predicate_type && <Foreign text={one.predicate_type} />],
            [t("image.signature.builder"), one.builder && <Foreign text={one.builder} />],
            [
              t("image.signature.where"),
              <a key="m" href={at(imagePage(name, one.manifest))}>
                <code>{one.manifest.slice(0, 19)}…</code>
              </a>,
            ],
          ]}
        />
      </div>
    </li>
  );
}

function Rule({ rule, name }: { rule: SignatureRule; name: string }) {
  const bad = rule.state === "unsigned";
  const at_ = rule.at.map((one) => t(`image.rule.${one}`)).join(", ");
  return (
    <section class="part">
      <div class={bad ? "verdict bad" : "verdict"}>
        <Icon name={bad ? "warning" : "check"} />
        <div>
          <h2>{t(`image.state.${rule.state}`)}</h2>
          {rule.reason && <Foreign text={t("image.rule.reason", { reason: rule.reason })} />}
          <p class="muted small">
            {t(rule.mode === "enforce" ? "image.rule.enforce" : "image.rule.warn", { at: at_ })}{" "}
            {t(rule.require === "all" ? "image.rule.all" : "image.rule.any")}
          </p>
          {rule.by_index && (
            <p>
              {t("image.rule.byIndex")} <code>{rule.by_index.slice(0, 19)}…</code>
            </p>
          )}
        </div>
      </div>
      <List title={t("image.signature.list")} list={rule.signatures} name={name} />
      <List title={t("image.attestations")} list={rule.attestations ?? []} name={name} />
      {rule.more && <p class="muted">{t("image.rule.more")}</p>}
    </section>
  );
}

function List({ title, list, name }: { title: string; list: Signature[]; name: string }) {
  if (!list.length) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="signatures">
        {list.map((one, i) => (
          <One key={i} one={one} name={name} />
        ))}
      </ul>
    </>
  );
}

/** What stands beside the image, whether a rule asks for it or not. */
function Beside({ shown }: { shown: Shown }) {
  const { name } = shown.image;
  const { digest } = shown.came;
  const referrers = useGet<{ manifests: Descriptor[] }>(referrersPath(name, digest));
  const prefix = digest.replace(":", "-");
  const tags = useGet<{ tags: TagDetails[] }>(tagsPath(name, { search: prefix, n: "10" }));
  if (!referrers.data && !referrers.problem) return null;
  const signed = (referrers.data?.manifests ?? []).filter((one) =>
    ["signature", "attestation"].includes(kindOfDescriptor(one)),
  );
  const legacy = (tags.data?.tags ?? []).filter((one) => /\.(sig|att)$/.test(one.name));
  if (!signed.length && !legacy.length) return <p class="muted">{t("image.signature.none")}</p>;
  return (
    <ul class="beside">
      {signed.map((one) => (
        <li key={one.digest}>
          <a href={at(imagePage(name, one.digest))}>{kindText(kindOfDescriptor(one))}</a>{" "}
          <bdi class="muted">{one.artifactType}</bdi>
        </li>
      ))}
      {legacy.map((one) => (
        <li key={one.name}>
          <a href={at(imagePage(name, one.name))}>
            {kindText(one.name.endsWith(".att") ? "attestation" : "signature")}
          </a>{" "}
          <bdi class="muted">{one.name.slice(-4)}</bdi>
        </li>
      ))}
    </ul>
  );
}

export default function Signatures({ shown }: PanelProps) {
  const path = apiPath(shown.image, "signatures");
  const { data, problem, reload } = useGet<{ rules: SignatureRule[] }>(path);
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Skeleton lines={4} />;
  if (data.rules.length)
    return (
      <>
        {data.rules.map((rule) => (
          <Rule key={rule.at.join()} rule={rule} name={shown.image.name} />
        ))}
      </>
    );
  return (
    <>
      <section class="part">
        <h2>{t("image.signature.beside")}</h2>
        <Beside shown={shown} />
      </section>
      <Empty icon="shield" title={t("image.signature.off")}>
        <p>{t("image.signature.off.do")}</p>
        <Commands text={example(shown.image.name)} what="signatures" />
        <p class="small">{t("image.signature.docs")}</p>
      </Empty>
    </>
  );
}
