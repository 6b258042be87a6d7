/** Where things lie in an analysis's bucket. `docs/vectors/keys.json` holds the cases that both languages keep. */

/** The documents of a group that the service writes. */
export const records = (group: string): string => `jobs/${group}/`;
export const aboutKey = (group: string): string => `${records(group)}analysis.json`;
export const indexPrefix = (group: string): string => `${records(group)}index/`;
export const spendingKey = (group: string, month: string): string => `${records(group)}budget/${month}.json`;

/** What people and machines of the group write. */
export const inputKey = (group: string, name: string): string => `${group}/inputs/${name}`;
export const configKey = (group: string, name: string): string => `${group}/configs/${name}`;
export const submissionKey = (group: string, timestamp: string): string =>
  `${group}/submissions/${timestamp}_submit.json`;
export const cancelKey = (submission: string): string => submission.replace(/submit\.json$/, "cancel.json");

/** One job. */
export interface JobKeys {
  readonly job: string;
  readonly certificate: string;
  readonly certificateJson: string;
  readonly end: string;
  readonly logs: string;
  readonly results: string;
  status(name: string): string;
  output(name: string, stream: "stdout" | "stderr"): string;
}

export function jobKeys(group: string, timestamp: string): JobKeys {
  const record = `${records(group)}job_${timestamp}/`;
  const people = `${group}/results/job_${timestamp}/`;
  return {
    job: `${record}job.json`,
    certificate: `${record}certificate.txt`,
    certificateJson: `${record}certificate.json`,
    end: `${record}end.txt`,
    logs: `${people}logs/`,
    results: `${people}process_results/`,
    status: (name) => `${people}logs/DATASET_NAME:${name}_STATUS.txt`,
    output: (name, stream) => `${people}logs/${name}/${stream}.`,
  };
}
