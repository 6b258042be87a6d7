/** One job: its datasets as they are now, its certificate, what it has written. */
import { cancelKey, jobKeys, type JobKeys } from "../contract/keys";
import type { Entry, Store } from "./store";

export interface Dataset {
  readonly name: string;
  readonly status: string;
  readonly reason: string;
  readonly progress: number | null;
  readonly progressText: string;
  readonly etaSeconds: number | null;
  readonly lines: readonly string[];
}

export interface JobView {
  readonly keys: JobKeys;
  /** The line of `end.txt`, once the job has ended. */
  readonly end: string | undefined;
  readonly submission: string;
  readonly submitter: string;
  readonly config: unknown;
  readonly datasets: readonly Dataset[];
  readonly certificate: string | undefined;
}

interface JobDocument {
  readonly submission_key: string;
  readonly submitter?: string;
  readonly config: unknown;
  readonly datasets: readonly { readonly name: string; readonly status_key: string }[];
}

interface StatusDocument {
  readonly status?: string;
  readonly reason?: string;
  readonly progress?: number | null;
  readonly progress_text?: string;
  readonly eta_seconds?: number | null;
  readonly stdout?: Readonly<Record<string, string>>;
}

export async function readJob(store: Store, group: string, timestamp: string): Promise<JobView> {
  const keys = jobKeys(group, timestamp);
  const [job, end, certificate] = await Promise.all([
    store.json(keys.job) as Promise<JobDocument | undefined>,
    store.text(keys.end),
    store.text(keys.certificate),
  ]);
  const datasets = await Promise.all((job?.datasets ?? []).map((one) => readDataset(store, one)));
  return {
    keys,
    end,
    certificate,
    datasets,
    submission: job?.submission_key ?? "",
    submitter: job?.submitter ?? "",
    config: job?.config,
  };
}

async function readDataset(
  store: Store,
  { name, status_key }: JobDocument["datasets"][number],
): Promise<Dataset> {
  let found: StatusDocument = {};
  try {
    found = ((await store.json(status_key)) as StatusDocument | undefined) ?? {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // machines of the group write it: it may be no JSON
  }
  const known = (text: string | undefined): string => (text && text !== "NONE" ? text : "");
  return {
    name,
    status: typeof found.status === "string" ? found.status : "INITIALIZING",
    reason: known(found.reason),
    progress: typeof found.progress === "number" ? found.progress : null,
    progressText: known(found.progress_text),
    etaSeconds: typeof found.eta_seconds === "number" ? found.eta_seconds : null,
    lines: Object.values(found.stdout ?? {}).map(String),
  };
}

export async function cancel(store: Store, submission: string): Promise<void> {
  await store.create(cancelKey(submission), "{}");
}

export async function listResults(store: Store, keys: JobKeys): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const one of store.list(keys.results)) found.push(one);
  return found;
}
