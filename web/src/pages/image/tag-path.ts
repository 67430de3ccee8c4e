import { tagsPath } from "../../api/image";

const letters = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"; // of tags, in their order

/** A name that comes just before that of a tag; "": there is none. */
export function nameBefore(tag: string): string {
  const outer = tag.slice(0, -1);
  const i = letters.indexOf(tag.slice(-1)) - 1;
  if (i < 0 || (!outer && i < 2)) return outer; // no name begins with "-" or "."
  return `${outer}${letters[i]}zzzzzzzz`;
}

/** The list of tags, of this one alone: it comes first of those that have its name in theirs. */
export function tagPath(name: string, tag: string): string {
  const last = nameBefore(tag);
  return tagsPath(name, { search: tag, n: "1", ...(last ? { last } : {}) });
}
