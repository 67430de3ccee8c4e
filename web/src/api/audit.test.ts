import { expect, test } from "vitest";
import { auditPath, dayBegins } from "./audit";

test("the last day counts whole", () => {
  const query = new URLSearchParams(
    auditPath({ actor: "user:a&b", action: "" }, "2026-03-01", "2026-03-01").split("?")[1],
  );
  expect(query.get("actor")).toBe("user:a&b");
  expect(query.has("action")).toBe(false);
  expect(new Date(query.get("from")!)).toEqual(new Date(2026, 2, 1));
  expect(new Date(query.get("to")!)).toEqual(new Date(2026, 2, 2));
});

test.each(["", "yesterday", "2026-1-1", "2026-01-01T00:00:00Z"])("%j is no day", (text) => {
  expect(dayBegins(text)).toBe("");
});
