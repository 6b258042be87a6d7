/** A submission: files, a configuration, and the small document that starts the job, which is put last. */
import { Upload } from "@aws-sdk/lib-storage";
import { configKey, inputKey, submissionKey } from "../contract/keys";
import { Problem } from "../problem";
import type { Store } from "./store";

const PART = 16 * 1024 * 1024;
const AT_A_TIME = 3;

export interface Progress {
  readonly sent: number;
  readonly total: number;
}

/** A name that the service takes for an input: no control characters, no empty parts, no way up. */
export function nameFault(name: string): Problem | undefined {
  const parts = name.split("/");
  const bad = parts.some((part) => part === "" || part === "." || part === "..");
  if (!bad && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]/.test(name) && new TextEncoder().encode(name).length <= 900)
    return undefined;
  return new Problem(
    `a file called ${JSON.stringify(name)}`,
    "names without control characters, backslashes or empty parts, up to 900 bytes",
    "Rename it on your computer, and choose it again",
  );
}

/** Upload files to the group's inputs; their keys. Nothing that is there is replaced. */
export async function upload(
  store: Store,
  group: string,
  files: readonly { readonly name: string; readonly file: Blob }[],
  folder: string,
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const total = files.reduce((sum, one) => sum + one.file.size, 0);
  const sent = new Map<string, number>();
  const waiting = [...files];
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      const { name, file } = one;
      const task = new Upload({
        client: store.s3,
        params: { Bucket: store.bucket, Key: inputKey(group, `${folder}/${name}`), Body: file },
        partSize: PART,
        queueSize: AT_A_TIME,
      });
      const stop = (): void => void task.abort();
      signal.addEventListener("abort", stop);
      task.on("httpUploadProgress", ({ loaded }) => {
        sent.set(name, loaded ?? 0);
        tell({ sent: [...sent.values()].reduce((sum, value) => sum + value, 0), total });
      });
      try {
        await task.done();
      } finally {
        signal.removeEventListener("abort", stop);
      }
      sent.set(name, file.size);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return files.map(({ name }) => inputKey(group, `${folder}/${name}`));
}

/** `2026-12-01T10-20-30.123`: as the command names jobs. */
export const newTimestamp = (now: Date): string =>
  now.toISOString().replace("Z", "").replaceAll(":", "-");

/** Put the configuration and the submission; the job's timestamp. */
export async function submit(
  store: Store,
  group: string,
  datanames: readonly string[],
  config: unknown,
  instanceType: string | undefined,
  now: Date = new Date(),
): Promise<string> {
  const timestamp = newTimestamp(now);
  const configname = configKey(group, `${timestamp}_config.json`);
  await store.create(configname, JSON.stringify(config, null, 2));
  const body = {
    dataname: datanames,
    configname,
    timestamp,
    request: crypto.randomUUID(),
    ...(instanceType ? { instance_type: instanceType } : {}),
  };
  if (!(await store.create(submissionKey(group, timestamp), JSON.stringify(body, null, 2)))) {
    throw new Problem(
      `the timestamp ${timestamp}, which is used`,
      "a timestamp that is used once",
      "Press the button again",
    );
  }
  return timestamp;
}
