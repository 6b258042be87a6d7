/** A new job: files, parameters, what it may cost at most, the button. */
import Form from "@rjsf/core";
import type { RJSFSchema } from "@rjsf/utils";
import { useCallback, useRef, useState, type ReactNode } from "react";
import { readAbout, stackOf, type About, type DeployedAnalysis } from "../data/analyses";
import { nameFault, newTimestamp, submit, upload, type Progress } from "../data/submit";
import { usePlace, useStore } from "../place";
import { problemOf, Problem } from "../problem";
import { pathTo } from "../router";
import { ProblemBox, Shown, useLoaded } from "../ui/parts";
import { bytes } from "../units";
import { validator } from "../validator";

export function Submit({ analysis }: { readonly analysis: DeployedAnalysis }): ReactNode {
  const { session } = usePlace();
  const store = useStore(analysis);
  const about = useLoaded(useCallback(() => readAbout(store, session.group), [store, session]));
  return (
    <>
      <h1>
        {analysis.analysis} <small>{analysis.stage}</small>
      </h1>
      <p>
        <a href={pathTo(stackOf(analysis), "jobs")}>Jobs</a>
      </p>
      <Shown of={about}>{(known) => <NewJob analysis={analysis} about={known} />}</Shown>
    </>
  );
}

interface Chosen {
  readonly name: string;
  readonly file: File;
}

function NewJob({
  analysis,
  about,
}: {
  readonly analysis: DeployedAnalysis;
  readonly about: About;
}): ReactNode {
  const { session } = usePlace();
  const store = useStore(analysis);
  const [files, choose] = useState<readonly Chosen[]>([]);
  const [config, change] = useState<unknown>({});
  const [problems, refuse] = useState<readonly Problem[]>([]);
  const [progress, tell] = useState<Progress>();
  const stop = useRef<AbortController>(undefined);
  const schema = (about.config?.parameters ?? { type: "object" }) as RJSFSchema;
  const machines = files.length;
  const most = (machines * (about.prices[about.instance_type] ?? 0) * about.duration_minutes) / 60;

  const take = (list: FileList): void => {
    const some = [...list].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
    const faults = some.flatMap(({ name }) => nameFault(name) ?? []);
    if (some.length > about.max_datasets) {
      const allowed = `up to ${about.max_datasets} of one job`;
      faults.push(new Problem(`${some.length} files`, allowed, "Make several jobs of them"));
    }
    refuse(faults);
    choose(faults.length ? [] : some);
  };

  const start = async (values: unknown): Promise<void> => {
    stop.current = new AbortController();
    refuse([]);
    try {
      if (!files.length)
        throw new Problem("no data", "one file or more", "Drop your recordings into the field above");
      const folder = newTimestamp(new Date());
      const keys = await upload(store, session.group, files, folder, tell, stop.current.signal);
      location.hash = pathTo(
        stackOf(analysis),
        "jobs",
        await submit(store, session.group, keys, values, undefined),
      );
    } catch (error) {
      refuse([problemOf(error)]);
    } finally {
      tell(undefined);
    }
  };

  return (
    <>
      <p>{about.description}</p>
      <section aria-labelledby="data">
        <h2 id="data">Data</h2>
        <p>{about.dataset_description}</p>
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- its input takes keys */}
        <label
          className="drop"
          onDragOver={(event) => {
            event.preventDefault();
          }}
          onDrop={(event) => {
            event.preventDefault();
            take(event.dataTransfer.files);
          }}
        >
          Drop files here, or choose them
          <input
            type="file"
            multiple
            onChange={(event) => {
              if (event.target.files) take(event.target.files);
            }}
          />
        </label>
        {files.length > 0 && (
          <ul>
            {files.map(({ name, file }) => (
              <li key={name}>
                {name} <small>{bytes(file.size)}</small>
              </li>
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="parameters">
        <h2 id="parameters">Parameters</h2>
        <Form
          schema={schema}
          formData={config}
          validator={validator}
          showErrorList={false}
          noHtml5Validate
          disabled={progress !== undefined}
          onChange={({ formData }) => {
            change(formData);
          }}
          // the errors are at their fields
          onError={() => undefined}
          onSubmit={({ formData }) => {
            void start(formData);
          }}
        >
          <p>
            {machines} {machines === 1 ? "machine" : "machines"} ({about.instance_type}) for{" "}
            {about.duration_minutes} minutes each at most: up to ${most.toFixed(2)}, besides disks.
          </p>
          {progress ? (
            <p>
              <progress value={progress.sent} max={progress.total} aria-label="Upload" />{" "}
              {bytes(progress.sent)} of {bytes(progress.total)}{" "}
              <button
                type="button"
                onClick={() => {
                  stop.current?.abort();
                }}
              >
                Stop
              </button>
            </p>
          ) : (
            <button type="submit">Start</button>
          )}
        </Form>
      </section>
      {problems.map((problem) => (
        <ProblemBox key={problem.message} problem={problem} />
      ))}
    </>
  );
}
