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
import { go } from "../../app/router";
import { useStore } from "../../app/store";
import { confirm } from "../../parts/dialog";
import { Size } from "../../parts/size";
import { toast } from "../../parts/toast";
import { number, t } from "../../text/text";

const AT_ONCE = 4;
const SHOWN = 6;

/** Where nobody signs in everybody may; else who is signed in is asked for nothing before they try. */
export function useMayChange(): boolean {
  const who = useStore(identity);
  return who.state === "off" || may(who, "user");
}

export function problemText(e: unknown): string {
  if (!(e instanceof Problem)) throw e;
  return e.message || t("problem.title");
}

interface Tried<T> {
  done: T[];
  problem: string; // of the first that failed; "" is none
}

/** Does it to each, some at once; what fails does not keep the others. */
async function each<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<Tried<T>> {
  const tried: Tried<T> = { done: [], problem: "" };
  const waiting = [...all];
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      try {
        await run(one);
        tried.done.push(one);
      } catch (e) {
        tried.problem ||= problemText(e);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return tried;
}

function tell(text: string, { done, problem }: Tried<unknown>, undo?: () => void) {
  if (done.length) toast(text, undo ? { undo } : {});
  if (problem) toast(problem, { bad: true });
}

async function bringBack(tags: readonly Tag[], run: (tag: Tag) => Promise<void>, reload: () => void) {
  const tried = await each(tags, run);
  tell(t("delete.back", { n: tried.done.length }), tried);
  reload();
}

/** The tags alone: their history knows where they pointed. */
async function deleteTags(name: string, tags: readonly Tag[], reload: () => void) {
  const tried = await each(tags, (one) => deleteManifest(name, one.name));
  const undo = () => bringBack(tried.done, (one) => restoreTag(name, one.name, one.digest), reload);
  tell(t("delete.done", { n: tried.done.length }), tried, undo);
}

/** Manifests, with all their tags: they are read before, so that they can be pushed again. */
async function deleteImages(name: string, images: readonly Tag[], all: readonly Tag[], reload: () => void) {
  const kept = new Map<string, Manifest>();
  const tried = await each(images, async ({ digest }) => {
    const manifest = await manifestOf(name, digest);
    await deleteManifest(name, digest);
    kept.set(digest, manifest);
  });
  const tags = all.filter((one) => kept.has(one.digest));
  const undo = () => bringBack(tags, (one) => putTag(name, one.name, kept.get(one.digest)!), reload);
  tell(t("delete.imagesDone", { n: tried.done.length }), tried, undo);
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

/** Asks, deletes and tells; true: something may have gone. */
export async function deleteSelected(
  name: string,
  tags: readonly Tag[],
  all: readonly Tag[],
  complete: boolean,
  reload: () => void,
): Promise<boolean> {
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
  if (!yes) return false;
  if (withImages) await deleteImages(name, images, [...tags, ...others], reload);
  else await deleteTags(name, tags, reload);
  reload();
  return true;
}

async function removeAll(name: string): Promise<void> {
  for (;;) {
    const { state } = await send<Deletion>("DELETE", repositoryPath(name));
    if (state !== "deleting") return; // else it goes on with the next request
  }
}

/** All of a repository, which nothing brings back: its name has to be typed. */
export async function deleteRepository(name: string) {
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
    await removeAll(name);
    toast(t("repository.delete.done", { name, tags: number(goes.tags) }));
    go("/");
  } catch (e) {
    toast(problemText(e), { bad: true });
  }
}
