import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon";

interface EmptyProps {
  icon: IconName;
  title: string;
  page?: boolean; // there is no other heading
  children?: ComponentChildren;
}

/** Where nothing is: what that means, and what to do next. */
export function Empty({ icon, title, page, children }: EmptyProps) {
  const Heading = page ? "h1" : "h2";
  return (
    <div class="empty">
      <Icon name={icon} />
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}
