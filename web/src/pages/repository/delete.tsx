/* Deleting: what goes, what stays, and how it comes back. */
import { useState } from "preact/hooks";
import { Problem, send } from "../../api/client";
import { repositoryPath } from "../../api/repositories";
import { identity, may } from "../../api/session";
import {
  type Deletion,
  deleteManifest,
  type Manifest,
  manifestOf,
  putTag,
  restoreTag,
  type Tag,
} from "../../api/tags";
import { encodePath, go, place } from "../../app/router";
import { useStore } from "../../app/store";
import { confirm } from "../../parts/dialog";
import { bringBack, each, problemText, single, type Tried, tellFailed } from "../../parts/each";
import { Size } from "../../parts/size";
import { progress, toast } from "../../parts/toast";
import { t } from "../../text/text";

const SHOWN = 6;
const IDLE_TURNS = 2; // of deleting a repository: after these the rest stays

const pageOf = (name: string) => `/ui/repositories/${encodePath(name)}`;

/** Where nobody signs in everybody may; else who is signed in is asked for nothing before they try. */
export function useMayChange(): boolean {
  const who = useStore(identity);
  return who.state === "off" || may(who, "user");
}

const nameOf = (tag: Tag) => tag.name;

function tell(text: string, { done, failed }: Tried<Tag>, undo: () => void) {
  if (done.length) toast(text, { undo });
  tellFailed(failed, nameOf);
}

const stayed = (tried: Tried<Tag>) => tried.failed.map(({ one }) => one);

/** The tags alone. Returns those that stay. */
async function deleteTags(name: string, tags: readonly Tag[], reload: () => void): Promise<Tag[]> {
  const tried = await each(tags, (one) => deleteManifest(name, one.name));
  const undo = () =>
    bringBack(tried.done, nameOf, (one) => restoreTag(name, one.name, one.digest)).then(reload);
  tell(t("delete.done", { n: tried.done.length }), tried, undo);
  return stayed(tried);
}

/** Manifests, with all their tags: they are read before, so that they can be pushed again. */
async function deleteImages(
  name: string,
  images: readonly Tag[],
  all: readonly Tag[],
  reload: () => void,
): Promise<Tag[]> {
  const kept = new Map<string, Manifest>();
  const tried = await each(images, async ({ digest }) => {
    const manifest = await manifestOf(name, digest);
    await deleteManifest(name, digest);
    kept.set(digest, manifest);
  });
  const tags = all.filter((one) => kept.has(one.digest));
  const undo = () =>
    bringBack(tags, nameOf, (one) => putTag(name, one.name, kept.get(one.digest)!)).then(reload);
  tell(t("delete.imagesDone", { n: tried.done.length }), tried, undo);
  const digests = new Set(stayed(tried).map((one) => one.digest));
  return all.filter((one) => digests.has(one.digest));
}

function Names({ names }: { names: readonly string[] }) {
  return (
    <ul class="delete-names">
      {names.slice(0, SHOWN).map((one) => (
        <li key={one}>
          <code>
            <bdi>{one}</bdi>
          </code>
        </li>
      ))}
      {names.length > SHOWN && <li class="muted">{t("delete.more", { n: names.length - SHOWN })}</li>}
    </ul>
  );
}

interface Asked {
  tags: readonly Tag[];
  images: readonly Tag[]; // one tag of each
  others: readonly Tag[]; // more tags of these images
  complete: boolean; // all tags of the repository are known
  choose: (images: boolean) => void;
}

function Question({ tags, images, others, complete, choose }: Asked) {
  const [withImages, setWithImages] = useState(false);
  const set = (on: boolean) => {
    setWithImages(on);
    choose(on);
  };
  return (
    <>
      <h3>{t("delete.goes")}</h3>
      <Names names={[...tags, ...(withImages ? others : [])].map((one) => one.name)} />
      <fieldset class="repository-choice stacked">
        <legend class="offscreen">{t("delete.what")}</legend>
        <label>
          <input type="radio" name="what" checked={!withImages} onChange={() => set(false)} />
          {t("delete.tagsOnly", { n: tags.length })}
        </label>
        <label>
          <input type="radio" name="what" checked={withImages} onChange={() => set(true)} />
          {t("delete.images", { n: images.length })}
        </label>
      </fieldset>
      <h3>{t("delete.stays")}</h3>
      <p>{withImages ? t("delete.images.stays") : t("delete.tags.stays", { n: images.length })}</p>
      {withImages && others.length > 0 && <p>{t("delete.images.others", { n: others.length })}</p>}
      {withImages && !complete && <p>{t("delete.images.unknown")}</p>}
      <p class="muted small">{withImages ? t("delete.images.undo") : t("delete.tags.undo")}</p>
    </>
  );
}

/** Asks, deletes and tells. Returns the names of those that stay; null: it was not wanted. */
export async function deleteSelected(
  name: string,
  tags: readonly Tag[],
  all: readonly Tag[],
  complete: boolean,
  reload: () => void,
): Promise<string[] | null> {
  const digests = new Set(tags.map((one) => one.digest));
  const images = [...digests].map((digest) => tags.find((one) => one.digest === digest)!);
  const chosen = new Set(tags.map((one) => one.name));
  const others = all.filter((one) => digests.has(one.digest) && !chosen.has(one.name));
  let withImages = false;
  const yes = await confirm({
    title:
      tags.length === 1
        ? t("delete.titleOne", { tag: tags[0]!.name })
        : t("delete.title", { n: tags.length }),
    body: (
      <Question
        tags={tags}
        images={images}
        others={others}
        complete={complete}
        choose={(on) => {
          withImages = on;
        }}
      />
    ),
    action: t("delete.action"),
    danger: true,
  });
  if (!yes) return null;
  const stay = withImages
    ? await deleteImages(name, images, [...tags, ...others], reload)
    : await deleteTags(name, tags, reload);
  reload();
  return stay.map(nameOf).filter((one) => chosen.has(one));
}

/** Counts go to `tell`. False: something stays that can't be deleted, for nothing goes any more. */
async function removeAll(name: string, tell: (tags: number, manifests: number) => void): Promise<boolean> {
  let tags = 0;
  let manifests = 0;
  let idle = 0; // turns that took nothing
  for (let turn = 0; ; turn++) {
    let done: Deletion;
    try {
      done = await send<Deletion>("DELETE", repositoryPath(name));
    } catch (e) {
      if (turn > 0 && e instanceof Problem && e.status === 404) return true; // the last turn took all
      throw e;
    }
    if (done.state === "deleted") return true;
    idle = done.tags || done.manifests || done.blobs ? 0 : idle + 1;
    if (idle === IDLE_TURNS) return false;
    tags += done.tags;
    manifests += done.manifests;
    tell(tags, manifests);
  }
}

/** All of a repository, which nothing brings back: its name has to be typed. */
export const deleteRepository = single(async (name: string, reload: () => void) => {
  try {
    const goes = await send<Deletion>("DELETE", `${repositoryPath(name)}?dry_run=true`);
    const yes = await confirm({
      title: t("repository.delete.title", { name }),
      body: (
        <>
          <h3>{t("delete.goes")}</h3>
          <p>
            {t("repository.nTags", { n: goes.tags })},{" "}
            {t("repository.delete.manifests", { n: goes.manifests })},{" "}
            {t("repository.delete.blobs", { n: goes.blobs })}: <Size bytes={goes.own_bytes} />
          </p>
          <h3>{t("delete.stays")}</h3>
          <p>
            {goes.shared_bytes ? (
              <>
                <Size bytes={goes.shared_bytes} /> {t("repository.delete.shared")}
              </>
            ) : (
              t("repository.delete.nothingStays")
            )}
          </p>
          <p class="muted small">{t("repository.delete.noUndo")}</p>
        </>
      ),
      action: t("repository.delete"),
      danger: true,
      typed: name,
    });
    if (!yes) return;
    const going = progress(t("repository.delete.going", { name }));
    try {
      const all = await removeAll(name, (tags, manifests) =>
        going.tell(
          `${t("repository.delete.going", { name })} ${t("repository.nTags", { n: tags })}, ${t("repository.delete.manifests", { n: manifests })}`,
        ),
      );
      if (!all) {
        toast(t("repository.delete.partly", { name }), { bad: true });
        return;
      }
    } finally {
      going.end();
      reload();
    }
    toast(t("repository.delete.done", { name }));
    if (place.get().path === pageOf(name)) go("/");
  } catch (e) {
    toast(problemText(e), { bad: true });
  }
});
