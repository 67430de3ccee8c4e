/** Where the registry begins: "/" or "/prefix/". The server writes it into <base>. */
export const base = new URL(typeof document === "undefined" ? "http://none/" : document.baseURI).pathname;

/** The address of a path of the registry ("/ui/users", "/api/v1/users"), below http.prefix. */
export function at(path: string): string {
  return base + path.replace(/^\//, "");
}

/** The path of the registry that an address is, or null: it is none. */
export function pathOf(address: string): string | null {
  return address.startsWith(base) ? `/${address.slice(base.length)}` : null;
}

/** HOST[:PORT] as docker and others name this registry. */
export const host = typeof location === "undefined" ? "none" : location.host;
