import { useQuery } from "../../app/router";
import "../../parts/panel.css";
import { RunView } from "./run";
import { Runs } from "./runs";

export default function CollectionPage() {
  const [run] = useQuery("run");
  return run ? <RunView key={run} id={run} /> : <Runs />;
}
