/* THE table of pages: a row gives address, code, navigation and key. */
import type { ComponentType } from "preact";
import type { IconName } from "../parts/icon";
import type { TextKey } from "../text/text";

export interface PageProps {
  rest: string; // what follows the address of a page that has `rest`, decoded: a name, NAME:TAG ...
}

type Load = () => Promise<{ default: ComponentType<PageProps> }>;

export type Need =
  | "anyone" // also who is not signed in, where the registry allows that
  | "user" // who is signed in
  | "admin"; // an admin

export interface Row {
  path: string;
  rest?: boolean; // path ends with "/" and something follows
  load: Load;
  title: TextKey; // of the window; the page may set a better one with useTitle()
  nav?: { group: NavGroup; icon: IconName; need: Need; key: string }; // key: `g` and this go there
}

/** In the order of the navigation. */
export const navGroups = ["content", "upkeep", "people", "system"] as const;
export type NavGroup = (typeof navGroups)[number];

export const rows: Row[] = [
  {
    path: "/",
    load: () => import("../pages/repositories/page"),
    title: "repositories.title",
    nav: { group: "content", icon: "boxes", need: "anyone", key: "r" },
  },
  {
    path: "/ui/repositories/",
    rest: true,
    load: () => import("../pages/repository/page"),
    title: "repositories.title",
  },
  {
    path: "/ui/retention",
    load: () => import("../pages/retention/page"),
    title: "retention.title",
    nav: { group: "upkeep", icon: "clock", need: "admin", key: "t" },
  },
  { path: "/ui/images/", rest: true, load: () => import("../pages/image/page"), title: "image.title" },
  {
    path: "/ui/upload",
    load: () => import("../pages/upload/page"),
    title: "upload.title",
    nav: { group: "content", icon: "upload", need: "anyone", key: "u" },
  },
  {
    path: "/ui/collection",
    load: () => import("../pages/collection/page"),
    title: "collection.title",
    nav: { group: "upkeep", icon: "broom", need: "admin", key: "c" },
  },
  {
    path: "/ui/policy",
    load: () => import("../pages/policy/page"),
    title: "policy.title",
    nav: { group: "people", icon: "shield", need: "admin", key: "o" },
  },
  {
    path: "/ui/users",
    load: () => import("../pages/users/page"),
    title: "users.title",
    nav: { group: "people", icon: "users", need: "admin", key: "p" },
  },
  {
    path: "/ui/account",
    load: () => import("../pages/account/page"),
    title: "me.title",
    nav: { group: "people", icon: "user", need: "user", key: "m" },
  },
  {
    path: "/ui/audit",
    load: () => import("../pages/audit/page"),
    title: "audit.title",
    nav: { group: "system", icon: "list", need: "admin", key: "a" },
  },
  {
    path: "/ui/webhooks",
    load: () => import("../pages/webhooks/page"),
    title: "webhooks.title",
    nav: { group: "system", icon: "bell", need: "admin", key: "w" },
  },
  { path: "/ui/sign-in", load: () => import("../pages/sign-in/page"), title: "signIn.title" },
];

export const notFound: Row = {
  path: "",
  load: () => import("../pages/not-found/page"),
  title: "notFound.title",
};

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** The row of a path, and what follows it. */
export function match(path: string, table: Row[] = rows): { row: Row; rest: string } {
  for (const row of table) {
    if (!row.rest && row.path === path) return { row, rest: "" };
    if (row.rest && path.startsWith(row.path) && path.length > row.path.length) {
      const rest = decoded(path.slice(row.path.length));
      if (rest !== null) return { row, rest };
    }
  }
  return { row: notFound, rest: "" };
}
