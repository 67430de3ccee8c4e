/* Names as a tree: "dev/shop/api" is below dev and shop. */
import type { Repository } from "../../api/repositories";

export interface Folder {
  folder: string; // "dev/shop/"
  depth: number;
  n: number; // repositories below it, of those that are known
  open: boolean;
}

export interface Leaf {
  repository: Repository;
  depth: number;
}

export type Node = Folder | Leaf;

/** Rows of a tree, of repositories sorted by name; what is below a folder that is shut is left out. */
export function treeOf(repositories: readonly Repository[], shut: ReadonlySet<string>): Node[] {
  const rows: Node[] = [];
  let way: Folder[] = []; // the folders that the row before is in
  let hidden = ""; // the shut folder that all of this is below
  for (const repository of repositories) {
    const { name } = repository;
    way = way.filter((one) => name.startsWith(one.folder));
    if (hidden && !name.startsWith(hidden)) hidden = "";
    for (;;) {
      const from = way.at(-1)?.folder.length ?? 0;
      const end = name.indexOf("/", from) + 1;
      if (!end) break;
      const folder = name.slice(0, end);
      const one = { folder, depth: way.length, n: 0, open: !shut.has(folder) };
      way.push(one);
      if (!hidden) rows.push(one);
      if (!hidden && !one.open) hidden = folder;
    }
    for (const one of way) one.n++;
    if (!hidden) rows.push({ repository, depth: way.length });
  }
  return rows;
}
