import { useQuery } from "../../app/router";
import "../../parts/panel.css";
import { Known } from "./known";
import { One } from "./one";
import { Send } from "./send";
import "./style.css";
import { guardLeaving } from "./transfer";

guardLeaving();

export default function UploadPage() {
  const [id] = useQuery("upload");
  if (id) return <One key={id} id={id} />;
  return (
    <>
      <Send />
      <Known />
    </>
  );
}
