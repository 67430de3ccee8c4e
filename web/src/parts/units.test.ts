import { afterEach, describe, expect, test } from "vitest";
import { setLanguage } from "../text/text";
import { visibleRows } from "./table";
import { agoText, bytesText, shortNumber } from "./units";

afterEach(() => setLanguage("en"));

describe("bytesText", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "0.98 KiB"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024 * 1024, "10 MiB"],
    [1023.9 * 1024 * 1024, "1 GiB"],
    [123.4 * 1024 ** 3, "123 GiB"],
    [5000 * 1024 ** 5, "5,000 PiB"],
  ])("%d", (bytes, text) => expect(bytesText(bytes).replace("\u00a0", " ")).toBe(text));

  test("in German", async () => {
    await setLanguage("de");
    expect(bytesText(1536)).toBe("1,5\u00a0KiB");
  });
});

describe("agoText", () => {
  const now = new Date("2026-06-15T12:00:00Z");
  test.each([
    ["2026-06-15T12:00:00Z", "now"],
    ["2026-06-15T11:59:20Z", "now"],
    ["2026-06-15T11:59:00Z", "1 minute ago"],
    ["2026-06-15T09:30:00Z", "2 hours ago"],
    ["2026-06-14T12:00:00Z", "yesterday"],
    ["2026-06-10T12:00:00Z", "5 days ago"],
    ["2025-01-01T00:00:00Z", "last year"],
    ["2026-06-15T13:00:01Z", "in 1 hour"],
  ])("%s", (time, text) => expect(agoText(new Date(time), now)).toBe(text));
});

test("numbers from 10,000 on are short", () => {
  expect(shortNumber(9999)).toBe("9,999");
  expect(shortNumber(12_345)).toBe("12.3K");
});

describe("visibleRows", () => {
  test("at the top", () => expect(visibleRows(200, 800, 40, 10_000)).toEqual([0, 23]));
  test("in the middle", () => expect(visibleRows(-40_000, 800, 40, 10_000)).toEqual([992, 1028]));
  test("at the end", () => expect(visibleRows(-399_600, 800, 40, 10_000)).toEqual([9982, 10_000]));
  test("of few", () => expect(visibleRows(200, 800, 40, 3)).toEqual([0, 3]));
  test("scrolled past", () => expect(visibleRows(-5000, 800, 40, 3)).toEqual([3, 3]));
  test("of none", () => expect(visibleRows(0, 800, 40, 0)).toEqual([0, 0]));
});
