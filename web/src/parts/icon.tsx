/* Icons of 24 by 24, drawn with one line. A page adds its own here. */
const paths = {
  bell: "M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 2h-15zM10 21h4",
  boxes: "M12 3 4 7v10l8 4 8-4V7zM4 7l8 4 8-4M12 11v10",
  broom: "M19 4l-7 7M9.500 9.500l5 5c-1 3-4 5.500-9.500 6 .500-5.500 1.500-10 4.500-11zM7 16l1.500 3",
  check: "m5 12.500 4.500 4.500L19 7.500",
  chevron: "m9 6 6 6-6 6",
  clock: "M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  close: "M6 6l12 12M18 6 6 18",
  compare: "M8 4v16M8 20l-4-4M8 20l4-4M16 20V4M16 4l-4 4M16 4l4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  download: "M12 4v11M7 10.500l5 5 5-5M4 20h16",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  folder: "M3 6h6l2 2h10v11H3z",
  info: "M12 11v6M12 7.500v.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  key: "M14.500 13a4.500 4.500 0 1 0-4.200-2.800L4 16.500V20h3.500v-2.500H10V15l1.800-1.800M15.500 8.500v.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  list: "M9 6h11M9 12h11M9 18h11M4.500 6v.01M4.500 12v.01M4.500 18v.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M5 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M17 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  restore: "M4 12a8 8 0 1 0 2.500-5.800L4 8.500M4 4v4.500h4.500",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  shield: "M12 3.500 5 6v5.500c0 4.500 3 7.500 7 9 4-1.500 7-4.500 7-9V6z",
  signed: "M12 3l7 3v5c0 4.500-3 8-7 10-4-2-7-5.500-7-10V6zM9 12l2 2 4-4.500",
  tag: "M4 4h8l8 8-8 8-8-8zM8.500 8.500h.01",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.500 11v5.500M13.500 11v5.500",
  tree: "M5 4v13h5M5 9h5M12 7h8v4h-8zM12 15h8v4h-8z",
  upload: "M12 15.500V4.500M7.500 9 12 4.500 16.500 9M4.500 15v4.500h15V15",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20a7.500 7.500 0 0 1 15 0",
  users:
    "M9.500 12a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 19.500a6.500 6.500 0 0 1 13 0M16 5.300a3.500 3.500 0 0 1 0 6.400M18 14a6.500 6.500 0 0 1 3 5.500",
  warning: "M12 4 2.500 20h19zM12 10v4.500M12 17v.01",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
