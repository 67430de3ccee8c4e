import { expect, test } from "vitest";
import { find, type Key } from "./keys";

const key = (keys: string): Key => ({ keys, text: "keys.search", run: () => {} });

test("what was added last has the key", () => {
  const inner = key("j");
  expect(find([key("j"), key("g r"), inner], "j")).toBe(inner);
  expect(find([key("g r")], "g")).toBe(null);
});
