import { expect, test } from "vitest";
import { visible } from "./visible";

test("what can't be seen is written out, and nothing else is touched", () => {
  expect(visible("\u202egnp.exe")).toBe("‹U+202E›gnp.exe");
  expect(visible("a\u0000b\u001b[31m")).toBe("a‹U+0000›b‹U+001B›[31m");
  for (const text of ["שלום", "日本", "a\tb\nc", "é😀"]) expect(visible(text)).toBe(text);
});
