import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface MenuProps {
  label: string; // for who hears the page
  button: ComponentChildren; // what is on the button
  children: ComponentChildren; // <MenuItem>s, and what separates them
  class?: string;
}

/** A button that opens a menu: arrows move in it, Escape closes it. */
export function Menu({ label, button, children, class: name = "" }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  const items = () => [...(root.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const away = (e: Event) => !root.current?.contains(e.target as Node) && setOpen(false);
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [open]);
  const onKeyDown = (e: KeyboardEvent) => {
    const all = items();
    const i = all.indexOf(document.activeElement as HTMLElement);
    if (e.key === "Escape" && open) {
      setOpen(false);
      root.current?.querySelector("button")?.focus();
    } else if (e.key === "ArrowDown" && open) all[(i + 1) % all.length]?.focus();
    else if (e.key === "ArrowUp" && open) all[(i - 1 + all.length) % all.length]?.focus();
    else return;
    e.preventDefault();
  };
  return (
    <div class={`menu ${name}`} ref={root} onKeyDown={onKeyDown}>
      <button
        type="button"
        class="plain"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div class="menu-items" role="menu" id={id} aria-label={label}>
          {children}
        </div>
      )}
    </div>
  );
}

/** A link with `href`, else a button; with `checked` one of several to choose. */
export function MenuItem({
  href,
  onClick,
  checked,
  children,
}: {
  href?: string;
  onClick?: () => void;
  checked?: boolean;
  children: ComponentChildren;
}) {
  if (href)
    return (
      <a role="menuitem" tabIndex={-1} href={href}>
        {children}
      </a>
    );
  if (checked !== undefined)
    return (
      <button type="button" role="menuitemradio" aria-checked={checked} tabIndex={-1} onClick={onClick}>
        {children}
      </button>
    );
  return (
    <button type="button" role="menuitem" tabIndex={-1} onClick={onClick}>
      {children}
    </button>
  );
}
