import { render } from "preact";

render(<p>CyberDock</p>, document.getElementById("app")!);
