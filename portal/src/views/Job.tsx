/** One job: each dataset as it is now, its log's last lines, its certificate, its results. */
import { useCallback, useState, type ReactNode } from "react";
import { stackOf, type DeployedAnalysis } from "../data/analyses";
import { cancel, listResults, readJob, type Dataset, type JobView } from "../data/job";
import type { Store } from "../data/store";
import { usePlace, useStore } from "../place";
import { pathTo } from "../router";
import { ProblemBox, Shown, useLoaded } from "../ui/parts";
import { bytes, duration } from "../units";
import { problemOf, type Problem } from "../problem";

const EVERY_MS = 3_000;

export function Job({
  analysis,
  timestamp,
}: {
  readonly analysis: DeployedAnalysis;
  readonly timestamp: string;
}): ReactNode {
  const { session } = usePlace();
  const store = useStore(analysis);
  const [ended, end] = useState(false);
  const loaded = useLoaded(
    useCallback(async () => {
      const view = await readJob(store, session.group, timestamp);
      end(view.end !== undefined);
      return view;
    }, [store, session, timestamp]),
    ended ? 0 : EVERY_MS,
  );
  return (
    <>
      <h1>Job {timestamp}</h1>
      <p>
        <a href={pathTo(stackOf(analysis), "jobs")}>All jobs</a>
      </p>
      <Shown of={loaded}>
        {(view) => (
          <>
            <JobHead view={view} store={store} />
            <Datasets datasets={view.datasets} />
            {view.end !== undefined && <Results store={store} view={view} />}
            {view.certificate !== undefined && (
              <details open={view.datasets.length === 0}>
                <summary>Certificate</summary>
                <pre>{view.certificate}</pre>
              </details>
            )}
          </>
        )}
      </Shown>
    </>
  );
}

function JobHead({ view, store }: { readonly view: JobView; readonly store: Store }): ReactNode {
  const [problem, refuse] = useState<Problem>();
  const [asked, ask] = useState(false);
  return (
    <>
      <p role="status">
        {view.end ?? "under way"}
        {view.submitter && `, by ${view.submitter}`}
      </p>
      {view.end === undefined && view.submission && (
        <button
          type="button"
          disabled={asked}
          onClick={() => {
            ask(true);
            cancel(store, view.submission).catch((error: unknown) => {
              refuse(problemOf(error));
            });
          }}
        >
          {asked ? "Cancelling …" : "Cancel"}
        </button>
      )}
      {problem && <ProblemBox problem={problem} />}
    </>
  );
}

function Datasets({ datasets }: { readonly datasets: readonly Dataset[] }): ReactNode {
  return (
    <section aria-label="Datasets">
      {datasets.map((one) => (
        <article key={one.name}>
          <h2>
            {one.name} <small data-state={one.status}>{one.status}</small>
          </h2>
          {one.progress !== null && one.status !== "SUCCESS" && (
            <p>
              <progress value={one.progress} max={1} aria-label={`Progress of ${one.name}`} />{" "}
              {one.progressText}
              {one.etaSeconds !== null && `, about ${duration(one.etaSeconds)} left`}
            </p>
          )}
          {one.reason && <p className="reason">{one.reason}</p>}
          {one.lines.length > 0 && <pre aria-label={`Output of ${one.name}`}>{one.lines.join("\n")}</pre>}
        </article>
      ))}
    </section>
  );
}

function Results({ store, view }: { readonly store: Store; readonly view: JobView }): ReactNode {
  const loaded = useLoaded(useCallback(() => listResults(store, view.keys), [store, view.keys]));
  const fetchOne = async (key: string): Promise<void> => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([(await store.bytes(key)) as Uint8Array<ArrayBuffer>]));
    link.download = key.split("/").at(-1) ?? "result";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <section aria-labelledby="results">
      <h2 id="results">Results</h2>
      <Shown of={loaded}>
        {(files) => (
          <ul>
            {files.map((one) => (
              <li key={one.key}>
                <button type="button" className="link" onClick={() => void fetchOne(one.key)}>
                  {one.key.slice(view.keys.results.length)}
                </button>{" "}
                <small>{bytes(one.size)}</small>
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </section>
  );
}
