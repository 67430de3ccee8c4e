import { expect, test } from "vitest";
import { aimOf, bytesOf, fromQuery, join, textOf, toQuery, withPath } from "./file-path";

test("a path of text is text in the address", () => {
  const path = join(fromQuery("/srv/a b"), bytesOf("50%&ü"));
  expect(path).toBe("/srv/a%20b/50%25%26%C3%BC");
  expect(toQuery(path)).toBe("/srv/a b/50%&ü");
  expect(fromQuery(toQuery(path))).toBe(path);
  expect(withPath("/tree?layer=1", path)).toBe("/tree?layer=1&path=/srv/a%20b/50%25%26%C3%BC");
});

test("a path that is no UTF-8 keeps its bytes", () => {
  const path = bytesOf("/caf\ufffd", "%2Fcaf%E9");
  expect(path).toBe("/caf%E9");
  expect(fromQuery(toQuery(path))).toBe(path);
  expect(textOf(path)).toBe("/caf\ufffd");
  expect(aimOf(path, "../b%FF/./c")).toBe("/b%FF/c");
});

test("an address that somebody made up brings no other parameter", () => {
  expect(withPath("/tree", fromQuery("percent:/a&layer=1"))).toBe("/tree?path=percent%3A/a%26layer%3D1");
});
