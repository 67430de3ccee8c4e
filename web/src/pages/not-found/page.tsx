import { at } from "../../app/base";
import { Empty } from "../../parts/empty";
import { t } from "../../text/text";

export default function NotFound() {
  return (
    <Empty page icon="search" title={t("notFound.title")}>
      <p>{t("notFound.do")}</p>
      <a class="button" href={at("/")}>
        {t("notFound.home")}
      </a>
    </Empty>
  );
}
