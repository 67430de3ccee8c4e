import { useEffect, useRef, useState } from "preact/hooks";
import { searchWanted } from "../app/search";
import { t } from "../text/text";
import { Icon } from "./icon";

const PAUSE_MS = 120;

/**
 * What is typed filters a list: `onChange` after a short pause in typing. `search` makes it the one
 * that "/" leads to. Arrow down goes to the table below.
 */
export function Filter({
  value,
  onChange,
  label,
  search = true,
}: {
  value: string;
  onChange: (value: string) => void;
  label: string;
  search?: boolean;
}) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (search && searchWanted()) input.current?.focus();
  }, []);
  useEffect(() => {
    if (value === sent.current) return; // changed elsewhere: the way back, say
    sent.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      onChange(text);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="filter" role="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        value={text}
        placeholder={label}
        aria-label={label}
        autocomplete="off"
        spellcheck={false}
        data-search={search || undefined}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Escape") text ? setText("") : input.current?.blur();
          else if (e.key === "ArrowDown") document.querySelector<HTMLElement>("[role=grid]")?.focus();
          else return;
          e.preventDefault();
        }}
      />
      {text ? (
        <button
          type="button"
          class="plain"
          aria-label={t("app.clear")}
          onClick={() => {
            setText("");
            input.current?.focus();
          }}
        >
          <Icon name="close" />
        </button>
      ) : (
        search && <kbd>/</kbd>
      )}
    </div>
  );
}
