/* All parts on one page that is in no program: tests and eyes look at it (tests/ui/parts.test.ts). */
import { render } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../src/api/client";
import { startChoices } from "../src/app/choices";
import { startKeys } from "../src/app/keys";
import { startRouter } from "../src/app/router";
import { Commands, Copy } from "../src/parts/copy";
import { Confirmations, confirm, Dialog } from "../src/parts/dialog";
import { Empty } from "../src/parts/empty";
import { Filter } from "../src/parts/filter";
import { Menu, MenuItem } from "../src/parts/menu";
import { ProblemLine, ProblemView } from "../src/parts/problem";
import { SeverityBadge } from "../src/parts/severity";
import { Size } from "../src/parts/size";
import { Skeleton } from "../src/parts/skeleton";
import { Selection, Table } from "../src/parts/table";
import { TabPanel, Tabs, useTab } from "../src/parts/tabs";
import { Toasts, toast } from "../src/parts/toast";
import { When } from "../src/parts/when";
import "../src/style/base.css";
import "../src/style/parts.css";

const hostile = '<img src=x onerror="window.hit=1">';
const tabs = [
  { id: "table", label: "Table", count: 12_345 },
  { id: "words", label: "Words" },
  { id: "states", label: "States" },
];
const rows = Array.from({ length: 30 }, (_, i) => ({ tag: i === 1 ? hostile : `1.${i}`, size: i * 98_765 }));
type Row = (typeof rows)[number];
const columns = [
  { id: "tag", title: "Tag", cell: (r: Row) => r.tag, sortable: true },
  { id: "size", title: "Size", cell: (r: Row) => <Size bytes={r.size} />, width: "6rem", end: true },
];

function Tags() {
  const [selected, select] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState(rows);
  const remove = async () => {
    const n = selected.size;
    const yes = await confirm({
      title: `Delete ${n} tags?`,
      body: <p>What they point to stays as long as another tag needs it.</p>,
      action: `Delete ${n} tags`,
      danger: true,
    });
    if (!yes) return;
    setShown(rows.filter((row) => !selected.has(row.tag)));
    select(new Set());
    toast(`${n} tags are deleted`, { undo: () => setShown(rows) });
  };
  return (
    <>
      <Table
        label="Tags"
        columns={columns}
        rows={shown}
        id={(r) => r.tag}
        selected={selected}
        onSelect={select}
        sort={{ id: "tag" }}
        onSort={() => {}}
      />
      <Selection n={selected.size} text={`${selected.size} selected`} onClear={() => select(new Set())}>
        <button type="button" class="danger" onClick={remove}>
          Delete
        </button>
      </Selection>
    </>
  );
}

function Words() {
  return (
    <div class="stack">
      <p>
        <When time={new Date(Date.now() - 7_300_000).toISOString()} /> <When time={null} />{" "}
        <Size bytes={123_456_789} /> <Size bytes={null} /> <Copy text="sha256:0" what="digest" />
      </p>
      <p class="line">
        {(["critical", "high", "medium", "low", "unknown", null] as const).map((one) => (
          <SeverityBadge key={one} worst={one} count={one ? 3 : undefined} />
        ))}{" "}
        <span class="badge">index</span>
      </p>
      <Commands text={"docker pull registry.example.org/dev/app:1.0\npodman pull …"} what="commands" />
      <label class="field">
        A field <input />
      </label>
      <p class="line">
        <button type="button">Plain words</button>{" "}
        <button type="button" class="primary">
          What is wanted most
        </button>{" "}
        <button type="button" class="danger">
          Delete
        </button>
      </p>
      <dl class="facts card">
        <dt>Digest</dt>
        <dd class="mono">sha256:{"0123456789abcdef".repeat(4)}</dd>
        <dt>Size</dt>
        <dd>
          <Size bytes={5_000_000} />
        </dd>
      </dl>
    </div>
  );
}

function States() {
  return (
    <div class="stack">
      <ProblemView problem={new Problem(500, "INTERNAL", hostile, "4c1f0d2e9a")} retry={() => {}} />
      <ProblemView problem={new Problem(404, "NAME_UNKNOWN", "repository name not known to registry")} />
      <ProblemView problem={new Problem(429, "TOOMANYREQUESTS", "slow down", "", 7)} />
      <ProblemLine problem={new Problem(400, "INVALID", "the name is too long")} />
      <Empty icon="boxes" title="Nothing here">
        <p>Push something.</p>
      </Empty>
      <Skeleton lines={3} />
    </div>
  );
}

function Gallery() {
  const open = useTab(tabs);
  const [text, setText] = useState("");
  const [dialog, setDialog] = useState(false);
  return (
    <main>
      <header class="page-head">
        <h1>Parts</h1>
        <Filter value={text} onChange={setText} label="Filter" />
        <button type="button" onClick={() => setDialog(true)}>
          Open
        </button>
        <Menu label="More" button="More">
          <MenuItem onClick={() => toast("one was chosen")}>One</MenuItem>
          <MenuItem onClick={() => toast(hostile, { bad: true })}>Two</MenuItem>
        </Menu>
      </header>
      <p>filtered: {text}</p>
      <Tabs tabs={tabs} label="Kinds" />
      <TabPanel id={open}>
        {open === "table" && <Tags />}
        {open === "words" && <Words />}
        {open === "states" && <States />}
      </TabPanel>
      {dialog && (
        <Dialog title="A dialog" onClose={() => setDialog(false)}>
          <p>{hostile}</p>
        </Dialog>
      )}
      <Toasts />
      <Confirmations />
    </main>
  );
}

startRouter();
startKeys();
startChoices().then(() => render(<Gallery />, document.getElementById("app")!));
