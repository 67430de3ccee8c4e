import { render } from "preact";
import { loadSession, startSession } from "./api/session";
import { startChoices } from "./app/choices";
import { startKeys } from "./app/keys";
import { place, startRouter } from "./app/router";
import { match } from "./app/routes";
import { Shell } from "./app/shell";
import "./style/base.css";
import "./style/parts.css";

startSession();
startRouter();
startKeys();
loadSession();
match(place.get().path)
  .row.load()
  .catch(() => {}); // the shell asks again, and tells
startChoices().then(() => render(<Shell />, document.getElementById("app")!));
