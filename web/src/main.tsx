import { render } from "preact";
import { loadSession, startSession } from "./api/session";
import { startChoices } from "./app/choices";
import { startKeys } from "./app/keys";
import { startRouter } from "./app/router";
import { Shell } from "./app/shell";
import "./style/base.css";
import "./style/parts.css";

startSession();
startRouter();
startKeys();
loadSession();
startChoices().then(() => render(<Shell />, document.getElementById("app")!));
