/*
 * THE place that shows markdown of others. It is sanitised to plain structure: no script, no style, no form, no
 * picture (one from elsewhere would tell that server who reads this), links of the web only.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../text/text";

const tags =
  "a b blockquote br code dd del details dl dt em h2 h3 h4 h5 h6 hr i kbd li ol p pre s strong sub summary sup table tbody td th thead tr ul".split(
    " ",
  );

const allowed = {
  ALLOWED_TAGS: tags,
  ALLOWED_ATTR: ["href", "title", "align", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

/**
 * HTML within markdown, with bare tags alone. Safety does not rest on this (what comes out is sanitised), but
 * the policy of the server is told of handlers and styles even where nobody runs them.
 */
export function bareTags(html: string): string {
  return html
    .replace(/<!--[\s\S]*?(?:-->|$)|<(script|style)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, "")
    .replace(/<(\/?)([a-z][a-z0-9]*)\b[^>]*(?:>|$)/gi, (_, end: string, name: string) =>
      tags.includes(name.toLowerCase()) ? `<${end}${name}>` : "",
    );
}

function link(href: string, text: string): string {
  const a = document.createElement("a");
  a.textContent = text;
  a.setAttribute("href", href);
  return a.outerHTML;
}

async function sanitised(text: string): Promise<DocumentFragment> {
  const [{ Marked }, { default: purify }] = await Promise.all([import("marked"), import("dompurify")]);
  let above = 1; // the heading before, of the page at first
  const marked = new Marked({
    gfm: true,
    walkTokens(token) {
      if (token.type !== "heading") return;
      token.depth = Math.min(6, token.depth + 1, above + 1);
      above = token.depth;
    },
    renderer: {
      html: (token) => bareTags(token.text),
      image: (token) => link(token.href, token.text || token.href),
      checkbox: (token) => (token.checked ? "☑ " : "☐ "),
    },
  });
  const html = marked.parse(text) as string;
  const safe = purify.sanitize(html, { ...allowed, RETURN_DOM_FRAGMENT: true });
  for (const a of safe.querySelectorAll("a")) {
    if (a.getAttribute("href")) a.setAttribute("rel", "noopener noreferrer nofollow");
    else a.replaceWith(...a.childNodes);
  }
  for (const wide of safe.querySelectorAll("pre, table")) wide.setAttribute("tabindex", "0"); // they scroll
  return safe;
}

const MOST = 256 * 1024; // characters: more would hang who looks

/** Markdown of others; as it was written until what shows it is there, and where that can't be had. */
export function Markdown({ text: all }: { text: string }) {
  const text = all.slice(0, MOST);
  const [shown, setShown] = useState("");
  const here = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let gone = false;
    sanitised(text).then(
      (safe) => {
        if (gone) return;
        here.current?.replaceChildren(safe);
        setShown(text);
      },
      () => {}, // the plain text stays
    );
    return () => {
      gone = true;
    };
  }, [text]);
  const done = shown === text;
  return (
    <>
      {!done && <div class="markdown plain-text">{text}</div>}
      <div class="markdown" dir="auto" ref={here} hidden={!done} />
      {all.length > MOST && <p class="muted">{t("markdown.cut")}</p>}
    </>
  );
}
