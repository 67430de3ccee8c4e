/* How to pull, with each tool. */
import type { RepositoryDetails } from "../../api/repositories";
import { identity } from "../../api/session";
import type { Tag } from "../../api/tags";
import { host } from "../../app/base";
import { useQuery } from "../../app/router";
import { useStore } from "../../app/store";
import { Commands } from "../../parts/copy";
import { Empty } from "../../parts/empty";
import { kindOf, kindText } from "../../parts/kind";
import { t } from "../../text/text";
import { type Pulled, toolsFor } from "./commands";

const secure = location.protocol === "https:";
const local = /^(localhost|127\.|\[::1\])/.test(host);

function Login() {
  const who = useStore(identity);
  if (who.state !== "user") return null;
  return (
    <section class="pull-tool">
      <h2>{t("repository.pull.login")}</h2>
      <p class="muted small">{t("repository.pull.login.do")}</p>
      <Commands text={`docker login ${host}`} what="docker login" />
    </section>
  );
}

export function Pull({ of, tags }: { of: RepositoryDetails; tags: readonly Tag[] }) {
  const [wanted, setWanted] = useQuery("of", of.latest?.tag ?? tags[0]?.name ?? "");
  const [by, setBy] = useQuery("by", "tag");
  const chosen = tags.find((one) => one.name === wanted) ?? (of.latest?.tag === wanted ? of.latest : tags[0]);
  if (!chosen)
    return (
      <Empty icon="tag" title={t("repository.empty")}>
        <p>{t("repository.empty.do")}</p>
      </Empty>
    );
  const tag = "name" in chosen ? chosen.name : chosen.tag;
  const kind = kindOf(chosen, tag);
  const names = [...new Set([tag, ...tags.map((one) => one.name)])];
  const pulled: Pulled = {
    host,
    name: of.name,
    tag,
    reference: by === "digest" ? `@${chosen.digest}` : `:${tag}`,
    kind,
    secure,
    local,
  };
  return (
    <div class="pull">
      <div class="pull-what">
        <label class="field">
          {t("repository.pull.tag")}
          <select value={tag} onChange={(e) => setWanted(e.currentTarget.value)}>
            {names.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <fieldset class="repository-choice">
          <legend class="offscreen">{t("repository.pull.by")}</legend>
          <label>
            <input type="radio" name="by" checked={by !== "digest"} onChange={() => setBy("tag")} />
            {t("repository.pull.byTag")}
          </label>
          <label title={t("repository.pull.byDigest.why")}>
            <input type="radio" name="by" checked={by === "digest"} onChange={() => setBy("digest")} />
            {t("repository.pull.byDigest")}
          </label>
        </fieldset>
        <span class="badge">{kindText(kind)}</span>
      </div>
      {!secure && !local && <p class="pull-note">{t("repository.pull.insecure", { host })}</p>}
      <div class="pull-tools">
        {toolsFor(kind).map((tool) => (
          <section class="pull-tool" key={tool.id}>
            <h2>{tool.title}</h2>
            <Commands text={tool.commands(pulled)} what={tool.title} />
          </section>
        ))}
        <Login />
      </div>
    </div>
  );
}
