/* What stands around each page: navigation, account, notices, keys. */
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { offline, Problem } from "../api/client";
import { identity, loadSession, may, signInPath, signOut } from "../api/session";
import { Confirmations, Dialog } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Menu, MenuItem } from "../parts/menu";
import { ProblemView } from "../parts/problem";
import { Skeleton } from "../parts/skeleton";
import { Toasts, toast } from "../parts/toast";
import { language, languages, type TextKey, t } from "../text/text";
import { at } from "./base";
import { chooseLanguage, chooseTheme, type Theme, theme } from "./choices";
import { addKey, keys, useKey } from "./keys";
import { go, place } from "./router";
import { match, navGroups, type PageProps, type Row, rows } from "./routes";
import { focusSearch } from "./search";
import { useStore } from "./store";
import { useTitle } from "./title";

const themes: readonly Theme[] = ["system", "light", "dark"];

function allowed(who: ReturnType<typeof identity.get>): Row[] {
  return rows.filter((row) => row.nav && may(who, row.nav.need));
}

function Brand() {
  return (
    <a class="brand" href={at("/")}>
      <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
        <path d="M5 12 16 6.500 27 12l-11 5.500zM5 17l11 5.500L27 17M5 22l11 5.500L27 22" />
      </svg>
      CyberDock
    </a>
  );
}

function Navigation() {
  const who = useStore(identity);
  const { path } = useStore(place);
  const shown = allowed(who);
  const current = match(path).row;
  return (
    <nav aria-label={t("app.navigation")}>
      {navGroups.map((group) => {
        const mine = shown.filter((row) => row.nav?.group === group);
        if (!mine.length) return null;
        return (
          <div class="nav-group" key={group}>
            {navGroups.length > 1 && <h2>{t(`nav.${group}`)}</h2>}
            {mine.map((row) => (
              <a key={row.path} href={at(row.path)} aria-current={row === current ? "page" : undefined}>
                <Icon name={row.nav!.icon} />
                {t(row.title)}
              </a>
            ))}
          </div>
        );
      })}
    </nav>
  );
}

function Preferences() {
  const chosen = useStore(theme);
  const spoken = useStore(language);
  return (
    <>
      <div class="menu-label" role="presentation">
        {t("app.theme")}
      </div>
      {themes.map((one) => (
        <MenuItem key={one} checked={one === chosen} onClick={() => chooseTheme(one)}>
          {t(`app.theme.${one}`)}
        </MenuItem>
      ))}
      <div class="menu-label" role="presentation">
        {t("app.language")}
      </div>
      {Object.entries(languages).map(([code, name]) => (
        <MenuItem key={code} checked={code === spoken} onClick={() => chooseLanguage(code)}>
          <span lang={code}>{name}</span>
        </MenuItem>
      ))}
    </>
  );
}

function leave() {
  signOut().catch((e) => toast(e instanceof Problem ? e.message : String(e), { bad: true }));
}

function Account({ onHelp }: { onHelp: () => void }) {
  const who = useStore(identity);
  const user = who.state === "user" ? who : null;
  const button = (
    <>
      <Icon name="user" />
      <span class="who">{user ? user.name : t("account.settings")}</span>
    </>
  );
  return (
    <Menu
      class="account"
      label={user ? t("account.open", { name: user.name }) : t("account.settings")}
      button={button}
    >
      {user?.admin && (
        <div class="menu-label" role="presentation">
          {t("account.admin")}
        </div>
      )}
      <Preferences />
      <hr />
      {user && <MenuItem href={at("/ui/account")}>{t("account.own")}</MenuItem>}
      <MenuItem onClick={onHelp}>{t("app.help")}</MenuItem>
      {user?.csrf_token && <MenuItem onClick={leave}>{t("account.signOut")}</MenuItem>}
    </Menu>
  );
}

function KeyHelp({ onClose }: { onClose: () => void }) {
  const list = useStore(keys);
  const who = useStore(identity);
  const going = new Map(
    allowed(who).map((row) => [`g ${row.nav!.key}`, t("keys.go", { page: t(row.title) })]),
  );
  const known = list.filter((k, i) => list.findIndex((other) => other.keys === k.keys) === i);
  return (
    <Dialog title={t("app.help")} onClose={onClose}>
      <dl class="keys">
        {known.map((k) => (
          <div key={k.keys}>
            <dt>
              {k.keys.split(" ").map((one, i) => (
                <span key={one}>
                  {i > 0 && <span class="muted"> {t("keys.then")} </span>}
                  <kbd>{one}</kbd>
                </span>
              ))}
            </dt>
            <dd>{going.get(k.keys) ?? t(k.text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function Notices() {
  const who = useStore(identity);
  const away = useStore(offline);
  useEffect(() => {
    if (!away) return;
    // Asked again until it answers; what pages show they ask for themselves.
    const timer = setInterval(() => loadSession(), 3000);
    return () => clearInterval(timer);
  }, [away]);
  return (
    <div aria-live="polite">
      {away && (
        <p class="notice">
          <Icon name="warning" />
          {t("app.offline")}
        </p>
      )}
      {who.state === "ended" && (
        <p class="notice">
          <Icon name="info" />
          {t("app.ended", { name: who.name })} <a href={at(signInPath())}>{t("account.signIn")}</a>
        </p>
      )}
    </div>
  );
}

type Drawn = { row: Row; page: ComponentType<PageProps> | null; problem: Problem | null };

/** The page of the address; the one before stays until its code is there. */
function Page() {
  const { path } = useStore(place);
  const { row, rest } = match(path);
  const [drawn, draw] = useState<Drawn>({ row, page: null, problem: null });
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    let mine = true;
    row.load().then(
      (code) => mine && draw({ row, page: code.default, problem: null }),
      // Most likely the program was updated, and its files have other names now.
      () => {
        if (mine) draw({ row, page: null, problem: new Problem(0, "OFFLINE", "") });
        loadSession(); // finds out whether the registry is away
      },
    );
    return () => {
      mine = false;
    };
  }, [row]);
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  useTitle(t(row.title));
  // A module that failed to come is not asked for again, but by a new page.
  useEffect(() => (drawn.problem ? offline.watch((away) => !away && location.reload()) : undefined), [drawn]);
  const There = drawn.row === row ? drawn.page : null;
  return (
    <main id="content" tabIndex={-1} ref={main}>
      {There ? (
        <There key={row.path + rest} rest={rest} />
      ) : drawn.problem && drawn.row === row ? (
        <ProblemView page problem={drawn.problem} retry={() => location.reload()} />
      ) : (
        <Skeleton lines={4} />
      )}
    </main>
  );
}

export function Shell() {
  const who = useStore(identity);
  useStore(language); // all is drawn anew in another one
  const { path } = useStore(place);
  const [help, setHelp] = useState(false);
  const [drawer, setDrawer] = useState(false);
  useKey("/", "keys.search", focusSearch);
  useKey("?", "keys.help", () => setHelp(true));
  useEffect(() => {
    const added = allowed(who).map((row) =>
      addKey({ keys: `g ${row.nav!.key}`, text: "keys.go" as TextKey, run: () => go(row.path) }),
    );
    return () => {
      for (const remove of added) remove();
    };
  }, [who]);
  useEffect(() => setDrawer(false), [path]);
  const alone = path === "/ui/sign-in";
  return (
    <div class={alone ? "shell alone" : drawer ? "shell drawer" : "shell"} key={language.get()}>
      <button type="button" class="skip" onClick={() => document.getElementById("content")?.focus()}>
        {t("app.skip")}
      </button>
      <header class="side">
        <div class="side-top">
          {!alone && (
            <button
              type="button"
              class="plain burger"
              aria-label={t("app.menu")}
              aria-expanded={drawer}
              onClick={() => setDrawer(!drawer)}
            >
              <Icon name={drawer ? "close" : "menu"} />
            </button>
          )}
          <Brand />
        </div>
        {!alone && <Navigation />}
        <div class="side-end">
          {who.state === "nobody" && !alone && (
            <a class="button" href={at(signInPath())}>
              {t("account.signIn")}
            </a>
          )}
          <Account onHelp={() => setHelp(true)} />
        </div>
      </header>
      <div class="middle">
        <Notices />
        <Page />
      </div>
      <Toasts />
      <Confirmations />
      {help && <KeyHelp onClose={() => setHelp(false)} />}
    </div>
  );
}
