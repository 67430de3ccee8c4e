import type { Problem } from "../api/client";
import { type TextKey, t } from "../text/text";
import { Copy } from "./copy";
import { Icon } from "./icon";

const kinds: Record<number, [TextKey, TextKey]> = {
  0: ["problem.offline", "problem.offline.do"],
  403: ["problem.403", "problem.403.do"],
  404: ["problem.404", "problem.404.do"],
  429: ["problem.429", "problem.429.do"],
  500: ["problem.500", "problem.500.do"],
  503: ["problem.503", "problem.503.do"],
};

function words(p: Problem): [string, string] {
  const [title, todo] = kinds[p.status] ?? (p.status >= 500 ? kinds[500]! : ["problem.title", null]);
  if (p.status === 429 && p.retryAfterS) return [t(title), t("problem.429.wait", { n: p.retryAfterS })];
  return [t(title), todo ? t(todo) : ""];
}

/** What the registry says is English; what has no request id was said here. */
function languageOf(problem: Problem): string | undefined {
  return problem.requestId ? "en" : undefined;
}

interface ProblemProps {
  problem: Problem;
  retry?: () => void;
  page?: boolean; // there is no other heading
}

/** In the place of what could not be shown: what happened, what to do, the request id. */
export function ProblemView({ problem, retry, page }: ProblemProps) {
  const [title, todo] = words(problem);
  const Heading = page ? "h1" : "h2";
  return (
    <div class="problem" role="alert">
      <Icon name="warning" />
      <div>
        <Heading>{title}</Heading>
        {problem.message && <p lang={languageOf(problem)}>{problem.message}</p>}
        {todo && <p class="muted">{todo}</p>}
        {problem.requestId && (
          <p class="muted small">
            {t("problem.requestId")} <code>{problem.requestId}</code>{" "}
            <Copy text={problem.requestId} what={t("problem.requestId")} />
          </p>
        )}
        {retry && (
          <button type="button" onClick={retry}>
            {t("app.retry")}
          </button>
        )}
      </div>
    </div>
  );
}

/** The same on one line, in a form or a dialog. */
export function ProblemLine({ problem }: { problem: Problem | null }) {
  if (!problem) return null;
  return (
    <p class="problem-line" role="alert">
      {problem.message ? <span lang={languageOf(problem)}>{problem.message}</span> : words(problem)[0]}
      {problem.requestId && problem.status >= 500 && (
        <>
          {" "}
          <code>{problem.requestId}</code>
        </>
      )}
    </p>
  );
}
