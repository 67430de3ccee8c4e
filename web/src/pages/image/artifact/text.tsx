import { Copy } from "../../../parts/copy";
import { visible } from "../../../parts/visible";
import { pretty } from "../kind";

const SHOWN_CHARACTERS = 200_000;

/** Text of a blob, with a button that copies all of it. */
export function Text({ text, label }: { text: string; label: string }) {
  const shown = visible(pretty(text));
  return (
    <div class="commands">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must the keys */}
      <pre tabIndex={0} class="file-text">
        {shown.slice(0, SHOWN_CHARACTERS)}
        {shown.length > SHOWN_CHARACTERS && "…"}
      </pre>
      <Copy text={text} what={label} />
    </div>
  );
}
