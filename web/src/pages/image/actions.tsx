/* Download and delete. */
import { ask, Problem } from "../../api/client";
import { allPages, archivePath, manifestPath, type TagDetails, tagsPath } from "../../api/image";
import { putTag, restoreTag } from "../../api/tags";
import { at } from "../../app/base";
import { encodePath, go } from "../../app/router";
import { confirm } from "../../parts/dialog";
import { bringBack, single } from "../../parts/each";
import { Icon } from "../../parts/icon";
import { Menu, MenuItem } from "../../parts/menu";
import { toast } from "../../parts/toast";
import { t } from "../../text/text";
import { isImage } from "./kind";
import type { Shown } from "./shown";

const TAG_PAGES = 5;
const TAGS_NAMED = 12;

function say(e: unknown) {
  toast(e instanceof Problem ? e.message || t("problem.offline") : String(e), { bad: true });
}

function repositoryPage(name: string): string {
  return `/ui/repositories/${encodePath(name)}`;
}

async function deleteTag({ image, came }: Shown, tag: string) {
  const yes = await confirm({
    title: t("image.deleteTag.title", { tag }),
    body: (
      <>
        <p>{t("image.deleteTag.goes", { tag, name: image.name })}</p>
        <p class="muted">{t("image.deleteTag.stays")}</p>
      </>
    ),
    action: t("image.deleteTag"),
    danger: true,
  });
  if (!yes) return;
  await ask("DELETE", manifestPath(image.name, tag));
  const back = async () => {
    if (!(await restoreTag(image.name, tag, came.digest)))
      return toast(t("delete.taken", { n: 1, names: tag }), { bad: true });
    toast(t("image.deleteTag.undone", { tag }));
    go(`/ui/images/${encodePath(`${image.name}:${tag}`)}`);
  };
  toast(t("image.deleteTag.done", { tag }), { undo: () => back().catch(say) });
  go(repositoryPage(image.name));
}

function Tags({ names, more }: { names: string[]; more: boolean }) {
  if (!names.length) return <p>{t(more ? "image.delete.tagsUnknown" : "image.delete.noTags")}</p>;
  const shown = names.slice(0, TAGS_NAMED);
  return (
    <>
      <p>{t("image.delete.tags", { n: names.length })}</p>
      <p class="image-tags">
        {shown.map((one) => (
          <code key={one}>{one}</code>
        ))}
        {names.length > shown.length && <span>… +{names.length - shown.length}</span>}
      </p>
      {more && <p>{t("image.delete.tagsUnknown")}</p>}
    </>
  );
}

/** Puts it back as it was: its blobs stay until they are collected. A tag that somebody made meanwhile stays. */
async function putBack(shown: Shown, tags: string[]) {
  const { came, image } = shown;
  const headers = { "Content-Type": came.mediaType };
  await ask("PUT", manifestPath(image.name, came.digest), came.bytes, { headers });
  const manifest = { type: came.mediaType, bytes: came.bytes };
  await bringBack(
    tags,
    (tag) => tag,
    (tag) => putTag(image.name, tag, manifest),
  );
  toast(t("image.delete.undone"));
  go(`/ui/images/${encodePath(`${image.name}@${came.digest}`)}`);
}

const deleteImage = single(async (shown: Shown) => {
  const { image, came, kind } = shown;
  const found = await allPages<{ tags: TagDetails[] }, TagDetails>(
    tagsPath(image.name, { n: "200" }),
    (answer) => answer.tags,
    TAG_PAGES,
  );
  const tags = found.items.filter((one) => one.digest === came.digest).map((one) => one.name);
  const yes = await confirm({
    title: t("image.delete.title"),
    body: (
      <>
        <p>{t("image.delete.goes", { name: image.name })}</p>
        <p>
          <code class="image-long">{came.digest}</code>
        </p>
        <Tags names={tags} more={found.more} />
        <p class="muted">{t(kind === "index" ? "image.delete.staysIndex" : "image.delete.stays")}</p>
        {found.more && <p class="muted">{t("image.delete.undoNamed", { n: tags.length })}</p>}
      </>
    ),
    action: t("image.delete"),
    danger: true,
  });
  if (!yes) return;
  await ask("DELETE", manifestPath(image.name, came.digest));
  toast(t("image.delete.done"), { undo: () => putBack(shown, tags).catch(say) });
  go(repositoryPage(image.name));
});

function Download({ shown }: { shown: Shown }) {
  const { image, kind, platforms, platform } = shown;
  const one = platform && platforms.length > 1 ? { platform } : undefined;
  return (
    <Menu
      class="image-menu"
      label={t("image.download")}
      button={
        <>
          <Icon name="download" />
          {t("image.download")}
        </>
      }
    >
      {isImage(kind) && (kind === "image" || platforms.length > 0) && (
        <MenuItem href={at(archivePath(image, { ...one }))}>
          {one ? t("image.download.dockerOf", { platform: platform! }) : t("image.download.docker")}
        </MenuItem>
      )}
      {one && (
        <MenuItem href={at(archivePath(image, { format: "oci", ...one }))}>
          {t("image.download.ociOf", { platform: platform! })}
        </MenuItem>
      )}
      <MenuItem
        href={at(
          archivePath(image, kind === "index" ? { format: "oci", platform: "all" } : { format: "oci" }),
        )}
      >
        {t(kind === "index" ? "image.download.all" : "image.download.oci")}
      </MenuItem>
    </Menu>
  );
}

export function Actions({ shown }: { shown: Shown }) {
  const { tag } = shown.image;
  return (
    <div class="image-actions">
      <Download shown={shown} />
      <Menu
        class="image-menu"
        label={t("image.deleteWhat")}
        button={
          <>
            <Icon name="trash" />
            {t("image.deleteWhat")}
          </>
        }
      >
        {tag !== null && (
          <MenuItem onClick={() => deleteTag(shown, tag).catch(say)}>
            {t("image.deleteTag.title", { tag })}
          </MenuItem>
        )}
        <MenuItem onClick={() => deleteImage(shown).catch(say)}>{t("image.delete.all")}</MenuItem>
      </Menu>
    </div>
  );
}
