/** The jobs of a group, from the index that the service keeps: a listing, and a read for every 400 jobs. */
import { indexPrefix } from "../contract/keys";
import type { Store } from "./store";

/** A line of the index; amounts in micro-dollars, times in ISO 8601. What is empty is left out of the file. */
export interface IndexEntry {
  readonly folder: string;
  readonly created: string;
  readonly state: "RUNNING" | "SUCCESS" | "FAILED" | "REJECTED";
  readonly submitter: string;
  readonly submission: string;
  readonly ended: string;
  readonly datasets: number;
  readonly done: number;
  readonly failed: number;
  readonly cost: number;
  readonly reserved: number;
  readonly seconds: number;
  readonly why: string;
}

const EMPTY = {
  submitter: "",
  submission: "",
  ended: "",
  datasets: 0,
  done: 0,
  failed: 0,
  cost: 0,
  reserved: 0,
  seconds: 0,
  why: "",
};

/** The job's timestamp, or the id of the submission that was refused. */
export const nameOf = (entry: IndexEntry): string => entry.folder.slice(entry.folder.indexOf("_") + 1);

/** The newest first. */
export async function listJobs(store: Store, group: string): Promise<IndexEntry[]> {
  const keys: string[] = [];
  for await (const one of store.list(indexPrefix(group))) if (one.key.endsWith(".jsonl")) keys.push(one.key);
  const texts = await Promise.all(keys.map((key) => store.text(key)));
  return texts
    .flatMap((text) => readLines(text ?? ""))
    .sort((one, other) => other.created.localeCompare(one.created));
}

/** What cannot be read is passed over: a list with one bad line is still a list. */
export function readLines(text: string): IndexEntry[] {
  return text.split("\n").flatMap((line) => {
    if (!line) return [];
    try {
      const value = JSON.parse(line) as Partial<IndexEntry>;
      if (typeof value.folder !== "string" || typeof value.created !== "string" || !value.state) return [];
      return [{ ...EMPTY, ...value, folder: value.folder, created: value.created, state: value.state }];
    } catch {
      return [];
    }
  });
}
