/** `config.json` beside the page: where it is, and how people sign in. Made by the stack, or by `invoke portal`. */
import { Problem } from "./problem";

export interface PortalConfig {
  readonly region: string;
  readonly account: string;
  /** An address in place of AWS's own: the local cloud's. */
  readonly endpoint?: string;
  /** `handover`: the program that serves the page has a session for it (`invoke portal`). */
  readonly signIn: { readonly kind: "handover" };
}

export async function loadConfig(fetcher: typeof fetch = fetch): Promise<PortalConfig> {
  const answer = await fetcher("./config.json", { cache: "no-store" });
  if (!answer.ok) {
    throw new Problem(
      `no config.json (${answer.status})`,
      "the one that is made with the page",
      "Publish the page again: invoke portal --publish",
    );
  }
  return (await answer.json()) as PortalConfig;
}
