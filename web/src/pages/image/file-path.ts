/*
 * Paths of files are bytes. Within the page they are percent-encoded, with slashes left; in its address they are text
 * where they are UTF-8, and else what MARK leads in.
 */
const MARK = "percent:";
const ENCODED = /^(?:[\w/.~!'()*-]|%[0-9a-f]{2})*$/i;

function encoded(text: string): string {
  return text.split("/").map(encodeURIComponent).join("/");
}

/** A name or path of the API, whose `percent` stands beside it when it is no UTF-8. */
export function bytesOf(text: string, percent?: string): string {
  return percent && ENCODED.test(percent) ? percent.replace(/%2f/gi, "/") : encoded(text);
}

export function fromQuery(value: string): string {
  const rest = value.startsWith(MARK) ? value.slice(MARK.length) : null;
  return rest !== null && ENCODED.test(rest) ? rest : encoded(value);
}

export function toQuery(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return MARK + path;
  }
}

/** For people: bytes that are no text are U+FFFD. */
export function textOf(path: string): string {
  const bytes = path.replace(/%([0-9a-f]{2})|[^%]/gi, (one, hex?: string) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : one,
  );
  return new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
}

/** Adds ?path= to an address of the API. */
export function withPath(url: string, path: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}path=${path}`;
}

export function join(folder: string, name: string): string {
  return `${folder.replace(/\/$/, "")}/${name}`;
}

/** A symbolic link's aim, from the folder that it stands in. */
export function aimOf(folder: string, link: string): string {
  const parts: string[] = [];
  for (const one of (link.startsWith("/") ? link : join(folder, link)).split("/")) {
    if (one === "..") parts.pop();
    else if (one && one !== ".") parts.push(one);
  }
  return `/${parts.join("/")}`;
}
