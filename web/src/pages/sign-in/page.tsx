import { useState } from "preact/hooks";
import { Problem, useGet } from "../../api/client";
import { type Methods, oidcHref, returnPath, signIn } from "../../api/session";
import { go, useQuery } from "../../app/router";
import { ProblemLine, ProblemView } from "../../parts/problem";
import { Skeleton } from "../../parts/skeleton";
import { t } from "../../text/text";
import "./style.css";

function Password({ wanted }: { wanted: string }) {
  const [needsCode, setNeedsCode] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.target as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "");
    setBusy(true);
    setProblem(null);
    try {
      await signIn(text("username"), text("password"), text("totp").replaceAll(" ", ""));
      go(returnPath(wanted), { replace: true });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === "TOTP_REQUIRED") setNeedsCode(true);
      else setProblem(error.status === 401 ? new Problem(401, error.code, t("signIn.wrong")) : error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <label class="field">
        {t("signIn.user")}
        <input
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          autofocus
        />
      </label>
      <label class="field">
        {t("signIn.password")}
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      {needsCode && (
        <>
          <p role="status">{t("signIn.code.wanted")}</p>
          <label class="field">
            {t("signIn.code")}
            <input
              name="totp"
              autocomplete="one-time-code"
              spellcheck={false}
              required
              aria-describedby="code-help"
              ref={(field) => field?.focus()}
            />
            <span class="muted small" id="code-help">
              {t("signIn.code.help")}
            </span>
          </label>
        </>
      )}
      <ProblemLine problem={problem} />
      <button type="submit" class="primary" disabled={busy}>
        {t("signIn.do")}
      </button>
    </form>
  );
}

export default function SignIn() {
  const [wanted] = useQuery("return", "/");
  const { data, problem, reload } = useGet<Methods>("/api/v1/session/methods");
  if (problem) return <ProblemView page problem={problem} retry={reload} />;
  return (
    <div class="sign-in">
      <h1>{t("signIn.title")}</h1>
      {!data && <Skeleton />}
      {data && !data.authentication && <p>{t("signIn.off")}</p>}
      {data?.authentication && !data.password && !data.oidc && <p>{t("signIn.none")}</p>}
      {data?.password && <Password wanted={wanted} />}
      {data?.password && data.oidc && <p class="or muted">{t("signIn.or")}</p>}
      {data?.oidc && (
        <a class="button" href={oidcHref(data, wanted)} target="_self">
          {t("signIn.with", { title: data.oidc.title })}
        </a>
      )}
    </div>
  );
}
