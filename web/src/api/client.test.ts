import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { get, nextOf, offline, onUnauthorized, Problem, send, setCsrfToken } from "./client";

const asked = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => vi.stubGlobal("fetch", asked));
afterEach(() => {
  asked.mockReset();
  setCsrfToken("");
  vi.unstubAllGlobals();
});

function answers(status: number, body: unknown, headers: Record<string, string> = {}) {
  asked.mockResolvedValueOnce(new Response(body === null ? null : JSON.stringify(body), { status, headers }));
}

async function problem(run: Promise<unknown>): Promise<Problem> {
  const e = await run.then(
    () => null,
    (error) => error,
  );
  expect(e).toBeInstanceOf(Problem);
  return e as Problem;
}

describe("a problem", () => {
  test("has the registry's words and the request id", async () => {
    const error = { code: "NAME_UNKNOWN", message: "repository name not known to registry" };
    answers(404, { errors: [error] }, { "X-Request-Id": "abc" });
    expect(await problem(get("/x"))).toMatchObject({ status: 404, ...error, requestId: "abc" });
  });

  test("is one whatever the answer is", async () => {
    asked.mockResolvedValueOnce(new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
    expect(await problem(get("/x"))).toMatchObject({ status: 502, code: "UNKNOWN", message: "Bad Gateway" });
  });

  test("says when to come again", async () => {
    answers(429, {}, { "Retry-After": "7" });
    expect((await problem(get("/x"))).retryAfterS).toBe(7);
  });

  test("of a network is none of the registry, and is over with the next answer", async () => {
    asked.mockRejectedValueOnce(new TypeError("failed"));
    expect((await problem(get("/x"))).status).toBe(0);
    expect(offline.get()).toBe(true);
    answers(200, {});
    await get("/x");
    expect(offline.get()).toBe(false);
  });
});

test("only what changes something has the CSRF token", async () => {
  const token = (i: number) => (asked.mock.calls[i]![1].headers as Record<string, string>)["X-CSRF-Token"];
  setCsrfToken("secret");
  answers(200, {});
  answers(204, null);
  await get("/x");
  expect(await send("DELETE", "/x")).toBe(null);
  expect([token(0), token(1)]).toEqual([undefined, "secret"]);
});

test("a 401 is told, but not to who signs in", async () => {
  const told = vi.fn();
  onUnauthorized(told);
  answers(401, {});
  answers(401, {});
  await problem(get("/x", { quiet: true }));
  expect(told).not.toHaveBeenCalled();
  await problem(get("/x"));
  expect(told).toHaveBeenCalledOnce();
});

test.each([
  ['</api/v1/users?n=2&last=b>; rel="next"', "/api/v1/users?n=2&last=b"],
  ["</v2/_catalog?last=x>; rel=next", "/v2/_catalog?last=x"],
  ['</a>; rel="prev", </b?last=y>; rel="next"', "/b?last=y"],
  ['</a>; rel="prev"', null],
  [null, null],
])("the next page of %s is %s", (link, next) => expect(nextOf(link)).toBe(next));
