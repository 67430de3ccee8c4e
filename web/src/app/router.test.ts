import { describe, expect, test } from "vitest";
import { returnPath } from "../api/session";
import { changedQuery, encodePath } from "./router";
import { match, type Row } from "./routes";

const load = () => Promise.reject(new Error("not in this test"));
const table: Row[] = [
  { path: "/", load, title: "repositories.title" },
  { path: "/ui/things", load, title: "repositories.title" },
  { path: "/ui/things/", rest: true, load, title: "repositories.title" },
];

describe("match", () => {
  test.each([
    ["/", "/", ""],
    ["/ui/things", "/ui/things", ""],
    ["/ui/things/a/b", "/ui/things/", "a/b"],
    ["/ui/things/a%2Fb%20c", "/ui/things/", "a/b c"],
    ["/ui/things/a:1.0", "/ui/things/", "a:1.0"],
    ["/ui/things/", "", ""], // nothing follows
    ["/ui/things/%ff", "", ""], // no text
    ["/ui/none", "", ""],
  ])("%s", (path, row, rest) => {
    const found = match(path, table);
    expect([found.row.path, found.rest]).toEqual([row, rest]);
  });
});

describe("changedQuery", () => {
  test("keeps what is not spoken of", () => expect(changedQuery("?a=1&b=2", { b: "3" })).toBe("?a=1&b=3"));
  test("takes away what is empty", () => expect(changedQuery("?a=1", { a: "" })).toBe(""));
  test("escapes", () => expect(changedQuery("", { q: "a&b=c" })).toBe("?q=a%26b%3Dc"));
});

test("encodePath leaves what names are made of", () => {
  expect(encodePath("a/b-c_d:1.0")).toBe("a/b-c_d:1.0");
  expect(encodePath("a@sha256:ff")).toBe("a@sha256:ff");
  expect(encodePath("a?b#c d")).toBe("a%3Fb%23c%20d");
});

test.each([
  ["/", "/"],
  ["/?search=x", "/?search=x"],
  ["/ui/users", "/ui/users"],
  ["//evil.example/", "/"],
  ["/\\evil.example", "/"],
  ["https://evil.example/ui/", "/"],
  ["javascript:alert(1)", "/"],
  ["", "/"],
])("after signing in %s leads to %s", (wanted, to) => expect(returnPath(wanted)).toBe(to));
