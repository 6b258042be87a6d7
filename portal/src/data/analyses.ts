/** Which analyses a group may use, and what each of them says of itself. */
import { paginateGetParametersByPath, type SSMClient } from "@aws-sdk/client-ssm";
import { aboutKey } from "../contract/keys";
import { Problem } from "../problem";
import type { Store } from "./store";

export interface DeployedAnalysis {
  readonly analysis: string;
  readonly stage: string;
  readonly bucket: string;
  readonly title: string;
}

/** `jobs/{group}/analysis.json`, as far as the page uses it. Durations in minutes, prices in USD an hour. */
export interface About {
  readonly title: string;
  readonly description: string;
  readonly dataset_description: string;
  readonly dataset_example: string;
  readonly folder: "one" | "each";
  readonly instance_type: string;
  readonly instance_types: readonly string[];
  readonly prices: Readonly<Record<string, number>>;
  readonly duration_minutes: number;
  readonly max_datasets: number;
  readonly budget_usd: number;
  readonly config: { readonly parameters: Readonly<Record<string, unknown>> | null } | null;
  readonly image_ready: boolean;
}

const STAGES = ["prod", "staging", "develop", "webdev"];

/** Sorted by name, the most released stage of each first. */
export async function listAnalyses(ssm: SSMClient, group: string): Promise<DeployedAnalysis[]> {
  const found: DeployedAnalysis[] = [];
  const pages = paginateGetParametersByPath(
    { client: ssm },
    { Path: `/neurocaas/analyses/${group}`, Recursive: true },
  );
  for await (const page of pages) {
    for (const one of page.Parameters ?? []) {
      const value = JSON.parse(one.Value ?? "{}") as DeployedAnalysis & { schema_version?: number };
      if (value.schema_version === 1) found.push(value);
    }
  }
  const order = (one: DeployedAnalysis): string => `${one.analysis} ${STAGES.indexOf(one.stage)}`;
  return found.sort((one, other) => order(one).localeCompare(order(other)));
}

export const stackOf = (one: DeployedAnalysis): string => `${one.analysis}-${one.stage}`;

/** The analysis that a name means: its own, or that of its stack. */
export function analysisNamed(all: readonly DeployedAnalysis[], name: string): DeployedAnalysis {
  const found = all.find((one) => stackOf(one) === name) ?? all.find((one) => one.analysis === name);
  if (!found) {
    throw new Problem(
      `an analysis ${name}, which your group does not have`,
      all.map((one) => one.analysis).join(", ") || "no analysis yet",
      "Choose one of the list, or ask your administrator",
    );
  }
  return found;
}

export async function readAbout(store: Store, group: string): Promise<About> {
  const found = (await store.json(aboutKey(group))) as About | undefined;
  if (!found) {
    throw new Problem(
      "an analysis that says nothing of itself",
      "one that is deployed",
      "Ask its developer to deploy it again",
    );
  }
  return found;
}
