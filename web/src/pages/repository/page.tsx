/* A repository: its tags, what it is, how to pull from it. */
import { useEffect, useState } from "preact/hooks";
import { useGet, useList } from "../../api/client";
import { useLoad } from "../../api/image";
import { findRepository, isShadowed, type RepositoryDetails, repositoryPath } from "../../api/repositories";
import { tagsOf, tagsPath } from "../../api/tags";
import { at, host } from "../../app/base";
import { useQuery } from "../../app/router";
import type { PageProps } from "../../app/routes";
import { useTitle } from "../../app/title";
import { Copy } from "../../parts/copy";
import { Icon } from "../../parts/icon";
import { Menu, MenuItem } from "../../parts/menu";
import { ProblemView } from "../../parts/problem";
import { Size } from "../../parts/size";
import { Skeleton } from "../../parts/skeleton";
import { TabPanel, Tabs, useTab } from "../../parts/tabs";
import { When } from "../../parts/when";
import { t } from "../../text/text";
import { About } from "./about";
import { useChanges } from "./changes";
import { deleteRepository, useMayChange } from "./delete";
import { Pull } from "./pull";
import { Tags } from "./tags";
import "./style.css";

function Way({ name }: { name: string }) {
  const parts = name.split("/");
  const last = parts.pop();
  return (
    <h1 class="repository-name">
      {parts.map((part, i) => {
        const space = `${parts.slice(0, i + 1).join("/")}/`;
        return (
          <span key={space}>
            <a href={at(`/?search=${encodeURIComponent(space)}`)}>{part}</a>
            <span class="muted">/</span>
          </span>
        );
      })}
      {last}
    </h1>
  );
}

function Facts({ of }: { of: RepositoryDetails }) {
  return (
    <p class="repository-facts muted">
      {of.tags !== null && <span>{t("repository.nTags", { n: of.tags })}</span>}
      {of.size !== null && <Size bytes={of.size} />}
      {of.pushed && (
        <span>
          {t("repository.pushed")} <When time={of.pushed} />
        </span>
      )}
      {of.pulled && (
        <span>
          {t("repository.pulled")} <When time={of.pulled} />
        </span>
      )}
    </p>
  );
}

/** A description that is no README. */
function isLine(text: string): boolean {
  return text.length <= 160 && !/[\n#*<`[]/.test(text);
}

function useDetails(name: string) {
  const own = useGet<RepositoryDetails>(isShadowed(name) ? null : `${repositoryPath(name)}?brief=true`);
  const listed = useLoad(isShadowed(name) ? name : null, (signal) => findRepository(name, signal));
  return isShadowed(name) ? listed : own;
}

export default function RepositoryPage({ rest: name }: PageProps) {
  useTitle(name);
  const [search] = useQuery("search");
  const [chosenSort] = useQuery("sort");
  const [plain, setPlain] = useState(false); // this database sorts by name alone
  const sort = chosenSort || (plain ? "name" : "pushed");
  const details = useDetails(name);
  const list = useList(tagsPath(name, search, sort), tagsOf);
  const unsorted = list.problem?.status === 400 && !chosenSort;
  useEffect(() => {
    if (unsorted) setPlain(true);
  }, [unsorted]);
  const mayChange = useMayChange();
  const of = details.data;
  const tabs = [
    { id: "tags", label: t("repository.tags"), count: of?.tags ?? undefined },
    { id: "about", label: t("repository.about") },
    { id: "pull", label: t("repository.pull") },
  ];
  const tab = useTab(tabs);
  const load = () => {
    details.reload();
    list.reload();
  };
  const changes = useChanges(name, !!of, !list.done, load);
  const reload = () => {
    changes.loaded();
    load();
  };

  if (details.problem && !of) return <ProblemView problem={details.problem} retry={reload} page />;
  return (
    <>
      <header class="repository-head">
        <div class="repository-title">
          <Way name={name} />
          <Copy text={`${host}/${name}`} what={t("repository.address")} />
          {mayChange && of && (
            <Menu label={t("repository.more")} button={<Icon name="more" />}>
              <MenuItem onClick={() => deleteRepository(name, reload)}>
                <Icon name="trash" />
                {t("repository.delete")}
              </MenuItem>
            </Menu>
          )}
        </div>
        {of?.description && isLine(of.description) && (
          <p>
            <bdi>{of.description}</bdi>
          </p>
        )}
        {of ? <Facts of={of} /> : <p class="repository-facts">&nbsp;</p>}
      </header>
      <Tabs tabs={tabs} label={name} />
      <TabPanel id={tab}>
        {changes.changed && (
          <p class="repository-changed" role="status">
            {t("repository.changed")}{" "}
            <button type="button" onClick={reload}>
              {t("repository.changed.show")}
            </button>
          </p>
        )}
        {tab === "tags" && <Tags name={name} list={list} sort={sort} reload={reload} mayChange={mayChange} />}
        {tab === "about" && (of ? <About of={of} /> : <Skeleton lines={6} />)}
        {tab === "pull" && (of ? <Pull of={of} tags={list.items} /> : <Skeleton lines={6} />)}
      </TabPanel>
    </>
  );
}
