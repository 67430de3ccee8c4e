import { useEffect, useState } from "preact/hooks";
import { t } from "../text/text";
import { Icon } from "./icon";

/** Puts text into the clipboard, also where the page came without TLS. */
async function copyText(text: string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "offscreen";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A button that copies; `what` says what, to who hears the page. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const label = done ? t("app.copied") : t("app.copyWhat", { what });
  return (
    <button
      type="button"
      class={done ? "copy done" : "copy"}
      aria-label={label}
      title={label}
      onClick={() => copyText(text).then(() => setDone(true))}
    >
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** Lines to be typed into a shell, with a button that copies them. */
export function Commands({ text, what }: { text: string; what: string }) {
  return (
    <div class="commands">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must the keys */}
      <pre tabIndex={0}>{text}</pre>
      <Copy text={text} what={what} />
    </div>
  );
}
