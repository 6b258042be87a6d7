/** The jobs of the group in one analysis. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useMemo, useRef, useState, type ReactNode } from "react";
import { stackOf, type DeployedAnalysis } from "../data/analyses";
import { listJobs, nameOf, type IndexEntry } from "../data/jobs";
import { usePlace, useStore } from "../place";
import { pathTo } from "../router";
import { Shown, useLoaded } from "../ui/parts";
import { dollars, duration, when } from "../units";

const EVERY_MS = 15_000;
const ROW = 44;

export function Jobs({ analysis }: { readonly analysis: DeployedAnalysis }): ReactNode {
  const { session } = usePlace();
  const store = useStore(analysis);
  const loaded = useLoaded(
    useCallback(() => listJobs(store, session.group), [store, session]),
    EVERY_MS,
  );
  return (
    <>
      <h1>
        Jobs of {session.group} in {analysis.analysis}
      </h1>
      <p>
        <a href={pathTo(stackOf(analysis))}>New job</a>
      </p>
      <Shown of={loaded}>{(jobs) => <JobTable analysis={analysis} jobs={jobs} />}</Shown>
    </>
  );
}

function JobTable({
  analysis,
  jobs,
}: {
  readonly analysis: DeployedAnalysis;
  readonly jobs: readonly IndexEntry[];
}): ReactNode {
  const [words, search] = useState("");
  const shown = useMemo(() => {
    const wanted = words.toLowerCase();
    return jobs.filter((one) =>
      [nameOf(one), one.state, one.submitter, one.why].some((text) => text.toLowerCase().includes(wanted)),
    );
  }, [jobs, words]);
  const frame = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 10,
  });
  return (
    <>
      <label>
        Search{" "}
        <input
          type="search"
          value={words}
          onChange={(event) => {
            search(event.target.value);
          }}
        />
      </label>{" "}
      <span role="status">
        {shown.length} of {jobs.length} jobs
      </span>
      <div className="table" role="table" aria-rowcount={shown.length + 1} aria-label="Jobs">
        <div className="row head" role="row">
          {["Job", "State", "Datasets", "Started", "Took", "Cost", "By"].map((name) => (
            <span role="columnheader" key={name}>
              {name}
            </span>
          ))}
        </div>
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls by keys */}
        <div className="rows" ref={frame} role="rowgroup" tabIndex={0}>
          <div style={{ height: rows.getTotalSize(), position: "relative" }}>
            {rows.getVirtualItems().map((item) => {
              const one = shown[item.index];
              return (
                one && (
                  <div
                    className="row"
                    role="row"
                    aria-rowindex={item.index + 2}
                    key={`${one.folder} ${one.created}`}
                    style={{ position: "absolute", inset: `${item.start}px 0 auto 0`, height: ROW }}
                  >
                    <span role="cell">
                      <a href={pathTo(stackOf(analysis), "jobs", nameOf(one))}>{nameOf(one)}</a>
                    </span>
                    <span role="cell" title={one.why} data-state={one.state}>
                      {one.state}
                    </span>
                    <span role="cell">
                      {one.done - one.failed}/{one.datasets}
                      {one.failed > 0 && `, ${one.failed} failed`}
                    </span>
                    <span role="cell">{when(one.created)}</span>
                    <span role="cell">
                      {one.ended && duration((Date.parse(one.ended) - Date.parse(one.created)) / 1000)}
                    </span>
                    <span role="cell">{one.ended ? dollars(one.cost) : `≤ ${dollars(one.reserved)}`}</span>
                    <span role="cell">{one.submitter}</span>
                  </div>
                )
              );
            })}
          </div>
        </div>
      </div>
    </>
  );
}
