import { expect, test } from "vitest";
import { bareTags } from "./markdown";

test.each([
  ['<b class="x" onclick="y">', "<b>"],
  ['<img src=x onerror="alert(1)">', ""],
  ["a<script>alert(1)</script>b", "ab"],
  ["<style>body{display:none}", ""],
  ["<!-- a comment -->x", "x"],
  ["</details>", "</details>"],
  ["<svg onload=alert(1)", ""],
])("of %s only bare tags stay", (html, bare) => expect(bareTags(html)).toBe(bare));
