/** The page: who is here, and the view that the address names. */
import { lazy, Suspense, useCallback, type ReactNode } from "react";
import { analysisNamed, listAnalyses, type DeployedAnalysis } from "./data/analyses";
import { usePlace } from "./place";
import { usePath } from "./router";
import { Shown, useLoaded } from "./ui/parts";
import { Analyses } from "./views/Analyses";
import { Job } from "./views/Job";
import { Jobs } from "./views/Jobs";

/** The form and its validator are half of the program: loaded when somebody makes a job. */
const Submit = lazy(() => import("./views/Submit").then(({ Submit: view }) => ({ default: view })));

export function App(): ReactNode {
  const { session } = usePlace();
  const [name, view, job] = usePath();
  return (
    <>
      <header>
        <a href="#/">NeuroCAAS</a>
        <span>
          {session.person} in {session.group}
          {session.lead && " (lead)"}
        </span>
      </header>
      <main>
        {name === undefined ? (
          <Analyses />
        ) : (
          <OfAnalysis name={name}>
            {(analysis) =>
              view === "jobs" && job ? (
                <Job analysis={analysis} timestamp={job} key={job} />
              ) : view === "jobs" ? (
                <Jobs analysis={analysis} />
              ) : (
                <Suspense fallback={<p aria-busy="true">Loading …</p>}>
                  <Submit analysis={analysis} />
                </Suspense>
              )
            }
          </OfAnalysis>
        )}
      </main>
    </>
  );
}

function OfAnalysis({
  name,
  children,
}: {
  readonly name: string;
  readonly children: (analysis: DeployedAnalysis) => ReactNode;
}): ReactNode {
  const { clients, session } = usePlace();
  const found = useLoaded(
    useCallback(
      async () => analysisNamed(await listAnalyses(clients.ssm, session.group), name),
      [clients, session, name],
    ),
  );
  return <Shown of={found}>{children}</Shown>;
}
