import { useEffect } from "preact/hooks";

/** The window's title, "what · CyberDock". */
export function useTitle(what: string) {
  useEffect(() => {
    document.title = what ? `${what} · CyberDock` : "CyberDock";
  }, [what]);
}
