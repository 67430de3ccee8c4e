/*
 * A table that draws only the rows on the screen, however many there are, and scrolls with the
 * window. Keys: j/k and arrows move, Enter opens, x and space select, Home and End.
 */
import { Component, type ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKey } from "../app/keys";
import { go } from "../app/router";
import { t } from "../text/text";
import { Icon } from "./icon";

export interface Column<T> {
  id: string; // also the value of `sort`
  title: string;
  cell: (row: T) => ComponentChildren;
  width?: string; // a track of CSS grid: "8rem", "minmax(12rem, 3fr)"; none: "1fr"
  end?: boolean; // numbers: at the right
  sortable?: boolean;
  wide?: boolean; // not on phones
}

export interface Sorting {
  id: string; // of a column
  descending?: boolean | undefined;
}

export interface TableProps<T> {
  label: string; // for who hears the page
  columns: readonly Column<T>[];
  rows: readonly T[];
  id: (row: T) => string; // unique; names the row to who hears the page
  href?: (row: T) => string; // where Enter and a click lead: a path, "/ui/users/alice"
  onOpen?: (row: T) => void; // instead of href
  sort?: Sorting;
  onSort?: (id: string) => void;
  selected?: ReadonlySet<string>; // with onSelect: a box in front of each row
  onSelect?: (selected: Set<string>) => void;
  onMore?: () => void; // the end is near: the next page is wanted
  loading?: boolean; // more is on its way
  complete?: boolean; // rows are all there are; false: there are more
  rowHeight?: number;
}

const OVERSCAN = 8;
const NEAR_END = 40; // rows

/** Rows from `first` to before `end` that are on the screen, or nearly. */
export function visibleRows(top: number, screen: number, height: number, n: number): [number, number] {
  const first = Math.max(0, Math.floor(-top / height) - OVERSCAN);
  const end = Math.min(n, Math.ceil((screen - top) / height) + OVERSCAN);
  return [Math.min(first, n), Math.max(end, Math.min(first, n))];
}

function useVisible(body: { current: HTMLElement | null }, n: number, height: number): [number, number] {
  const [range, set] = useState<[number, number]>([0, Math.min(n, 40)]);
  useLayoutEffect(() => {
    let frame = 0;
    const look = () => {
      frame = 0;
      if (!body.current) return;
      const [a, b] = visibleRows(body.current.getBoundingClientRect().top, innerHeight, height, n);
      set((old) => (old[0] === a && old[1] === b ? old : [a, b]));
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [n, height]);
  return [Math.min(range[0], n), Math.min(range[1], n)];
}

/** Scrolls so that row i is on the screen, below the heading that stays. */
function reveal(body: HTMLElement, i: number, height: number) {
  const top = body.getBoundingClientRect().top + i * height;
  const head = 100;
  if (top < head) scrollBy(0, top - head);
  else if (top + height > innerHeight) scrollBy(0, top + height - innerHeight + 8);
}

function Head<T>({ columns, sort, onSort }: TableProps<T>) {
  return (
    <>
      {columns.map((c, i) => {
        const sorted = sort?.id === c.id;
        const direction = sort?.descending ? "descending" : "ascending";
        return (
          <div
            key={c.id}
            role="columnheader"
            aria-colindex={i + 1}
            class={classes(c)}
            aria-sort={sorted ? direction : undefined}
          >
            {c.sortable && onSort ? (
              <button
                type="button"
                class={sorted ? "sort on" : "sort"}
                title={t("table.sort", { what: c.title })}
                onClick={() => onSort(c.id)}
              >
                {c.title}
                {sorted && <span aria-hidden="true">{sort?.descending ? "↓" : "↑"}</span>}
              </button>
            ) : (
              c.title
            )}
          </div>
        );
      })}
    </>
  );
}

function classes<T>(c: Column<T>): string {
  return `cell${c.end ? " end" : ""}${c.wide ? " wide" : ""}`;
}

function tracks<T>(columns: readonly Column<T>[], boxes: boolean): string {
  return (boxes ? "2.25rem " : "") + columns.map((c) => c.width ?? "minmax(0, 1fr)").join(" ");
}

interface LineProps<T> {
  name: string;
  element: string; // its id in the page
  i: number;
  row: T;
  columns: readonly Column<T>[];
  active: boolean;
  selected: boolean | undefined; // undefined: rows have no box
  onClick: (e: MouseEvent) => void;
  onBox: (range: boolean) => void;
}

/** A row. It is drawn anew only when what it shows has changed: scrolling draws those that come. */
class Line<T> extends Component<LineProps<T>> {
  override shouldComponentUpdate(next: LineProps<T>) {
    const now = this.props;
    return (["row", "i", "columns", "active", "selected", "element"] as const).some(
      (k) => next[k] !== now[k],
    );
  }

  override render() {
    const { name, element, i, row, columns, active, selected } = this.props;
    const boxes = selected !== undefined;
    return (
      <div
        id={element}
        role="row"
        aria-rowindex={i + 2}
        aria-selected={selected}
        class={`row${active ? " active" : ""}${selected ? " selected" : ""}`}
        onClick={(e) => this.props.onClick(e)}
      >
        {boxes && (
          <div role="gridcell" class="cell box">
            <input
              type="checkbox"
              checked={selected}
              aria-label={t("table.select", { what: name })}
              onClick={(e) => this.props.onBox(e.shiftKey)}
            />
          </div>
        )}
        {columns.map((c, at) => (
          <div key={c.id} role="gridcell" aria-colindex={at + 1 + (boxes ? 1 : 0)} class={classes(c)}>
            {c.cell(row)}
          </div>
        ))}
      </div>
    );
  }
}

export function Table<T>(props: TableProps<T>) {
  const {
    label,
    columns,
    rows,
    id,
    href,
    onOpen,
    selected,
    onSelect,
    onMore,
    loading,
    complete = true,
    rowHeight = 40,
  } = props;
  const body = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const name = useId();
  const [active, setActive] = useState(-1);
  const current = useRef(-1); // the same at once: keys come faster than rows are drawn
  const lastBox = useRef(-1);
  const [first, end] = useVisible(body, rows.length, rowHeight);
  const boxes = !!onSelect;

  useEffect(() => {
    if (onMore && !complete && !loading && end > rows.length - NEAR_END) onMore();
  }, [end, rows.length, complete, loading]);
  const activate = (i: number) => {
    current.current = i;
    setActive(i);
  };
  useEffect(() => activate(Math.min(current.current, rows.length - 1)), [rows.length]);

  const move = (to: number) => {
    if (!rows.length || !body.current) return;
    const i = Math.max(0, Math.min(rows.length - 1, to));
    activate(i);
    reveal(body.current, i, rowHeight);
    if (document.activeElement !== grid.current) grid.current?.focus({ preventScroll: true });
  };
  const open = (i: number) => {
    const row = rows[i];
    if (row === undefined) return;
    if (onOpen) onOpen(row);
    else if (href) go(href(row));
  };
  const select = (i: number, range: boolean) => {
    if (!onSelect || rows[i] === undefined) return;
    const next = new Set(selected);
    const on = !next.has(id(rows[i]));
    const from = range && lastBox.current >= 0 ? lastBox.current : i;
    for (let k = Math.min(from, i); k <= Math.max(from, i); k++)
      on ? next.add(id(rows[k]!)) : next.delete(id(rows[k]!));
    lastBox.current = i;
    onSelect(next);
  };

  useKey("j", "keys.next", () => move(current.current + 1));
  useKey("k", "keys.previous", () => move(Math.max(0, current.current - 1)));
  useKey("x", "keys.select", () => select(current.current, false));

  const page = Math.max(1, Math.floor(innerHeight / rowHeight) - 4);
  const onKeyDown = (e: KeyboardEvent) => {
    const now = current.current;
    const moves: Record<string, number> = {
      ArrowDown: now + 1,
      ArrowUp: now - 1,
      PageDown: now + page,
      PageUp: now - page,
      Home: 0,
      End: rows.length - 1,
    };
    if (e.target !== grid.current || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key in moves) move(moves[e.key]!);
    else if (e.key === "Enter" && now >= 0) open(now);
    else if (e.key === " " && now >= 0 && boxes) select(now, e.shiftKey);
    else return;
    e.preventDefault();
  };
  const onClick = (e: MouseEvent, i: number) => {
    const on = e.target as Element;
    if (on.closest("a, button, input, label, summary") || getSelection()?.toString()) return;
    if (e.metaKey || e.ctrlKey) return;
    open(i);
  };
  const all = rows.length > 0 && rows.every((row) => selected?.has(id(row)));
  const some = !all && rows.some((row) => selected?.has(id(row)));
  const style = {
    "--columns": tracks(columns, boxes),
    "--columns-phone": tracks(
      columns.filter((c) => !c.wide),
      boxes,
    ),
    "--row": `${rowHeight}px`,
  };

  return (
    <div
      class={href || onOpen ? "table opens" : "table"}
      role="grid"
      tabIndex={0}
      ref={grid}
      style={style}
      aria-label={label}
      aria-rowcount={complete ? rows.length + 1 : -1}
      aria-colcount={columns.length + (boxes ? 1 : 0)}
      aria-multiselectable={boxes || undefined}
      aria-activedescendant={active >= first && active < end ? `${name}-${active}` : undefined}
      aria-busy={loading || undefined}
      onKeyDown={onKeyDown}
      onFocus={(e) => e.target === grid.current && current.current < 0 && rows.length > 0 && activate(0)}
    >
      <div class="table-head" role="row" aria-rowindex={1}>
        {boxes && (
          <div role="columnheader" class="cell box">
            <input
              type="checkbox"
              aria-label={t("table.selectAll")}
              checked={all}
              indeterminate={some}
              onChange={() => onSelect(all ? new Set() : new Set(rows.map(id)))}
            />
          </div>
        )}
        <Head {...props} />
      </div>
      <div class="table-body" role="rowgroup" ref={body} style={{ height: `${rows.length * rowHeight}px` }}>
        <div
          role="presentation"
          class="table-window"
          style={{ transform: `translateY(${first * rowHeight}px)` }}
        >
          {rows.slice(first, end).map((row, k) => {
            const i = first + k;
            const key = id(row);
            return (
              <Line
                key={key}
                name={key}
                element={`${name}-${i}`}
                i={i}
                row={row}
                columns={columns}
                active={i === active}
                selected={boxes ? (selected?.has(key) ?? false) : undefined}
                onClick={(e) => onClick(e, i)}
                onBox={(range) => select(i, range)}
              />
            );
          })}
        </div>
      </div>
      {loading && rows.length > 0 && (
        <div class="table-more muted small" role="row">
          <div role="gridcell">{t("table.more")}</div>
        </div>
      )}
    </div>
  );
}

/** In the place of a table whose first rows are on their way. */
export function TableSkeleton({ rows = 12 }: { rows?: number }) {
  return (
    <div class="table-skeleton" role="status" aria-label={t("app.loading")}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

/** What stands over a table as long as rows are selected: how many, and what can be done to them. */
export function Selection({
  n,
  onClear,
  children,
  text,
}: {
  n: number;
  onClear: () => void;
  children: ComponentChildren;
  text: string;
}) {
  if (!n) return null;
  return (
    <div class="selection" role="toolbar" aria-label={text}>
      <span>{text}</span>
      {children}
      <button type="button" class="plain" aria-label={t("app.clear")} onClick={onClear}>
        <Icon name="close" />
      </button>
    </div>
  );
}
