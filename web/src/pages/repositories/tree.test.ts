import { expect, test } from "vitest";
import type { Repository } from "../../api/repositories";
import { treeOf } from "./tree";

const of = (...names: string[]) => names.map((name) => ({ name }) as Repository);

function drawn(names: string[], shut: string[] = []): string[] {
  return treeOf(of(...names), new Set(shut)).map((one) =>
    "folder" in one
      ? `${" ".repeat(one.depth)}${one.folder} ${one.n}`
      : " ".repeat(one.depth) + one.repository.name,
  );
}

const names = ["base/alpine", "dev/shop/api", "dev/shop/web", "dev/tool", "tools"];

test("repositories stand below their folders, which are counted", () =>
  expect(drawn(names)).toEqual([
    "base/ 1",
    " base/alpine",
    "dev/ 3",
    " dev/shop/ 2",
    "  dev/shop/api",
    "  dev/shop/web",
    " dev/tool",
    "tools",
  ]));

test("what is below a folder that is shut is left out, and counted", () =>
  expect(drawn(names, ["dev/"])).toEqual(["base/ 1", " base/alpine", "dev/ 3", "tools"]));

test("a folder that is shut inside of one that is open", () =>
  expect(drawn(names.slice(1), ["dev/shop/"])).toEqual(["dev/ 3", " dev/shop/ 2", " dev/tool", "tools"]));

test("a repository may have the name of a folder", () =>
  expect(drawn(["a", "a/b", "ab"])).toEqual(["a", "a/ 1", " a/b", "ab"]));
