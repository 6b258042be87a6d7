/**
 * Who is at the page: short-lived credentials of a group's role. They are in memory alone; what renews them is
 * in the tab's session storage, which ends with the tab.
 */
import type { AwsCredentialIdentity } from "@aws-sdk/types";
import { Problem } from "./problem";

export interface Session {
  readonly group: string;
  readonly person: string;
  readonly lead: boolean;
  /** Credentials that last for a while yet; asked for anew when they do not. */
  credentials(): Promise<AwsCredentialIdentity>;
}

interface Handover {
  readonly group: string;
  readonly person: string;
  readonly lead: boolean;
  readonly renewal: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: string;
}

const RENEWAL = "neurocaas-renewal";
const EARLY_MS = 5 * 60_000;

/**
 * The session that `invoke portal` hands over. Its one-time code is in the address's fragment, which no server
 * sees; it is taken out of the address at once.
 */
export async function takeOver(
  fetcher: typeof fetch = fetch,
  place: Location = location,
  store: Storage = sessionStorage,
): Promise<Session> {
  const code = /^#start=([\w-]{20,})$/.exec(place.hash)?.[1];
  if (code) history.replaceState(null, "", `${place.pathname}#/`);
  let held = await ask(fetcher, code ?? store.getItem(RENEWAL) ?? "");
  store.setItem(RENEWAL, held.renewal);
  return {
    group: held.group,
    person: held.person,
    lead: held.lead,
    credentials: async () => {
      if (Date.parse(held.expiration) - Date.now() < EARLY_MS) {
        held = await ask(fetcher, held.renewal);
        store.setItem(RENEWAL, held.renewal);
      }
      return {
        accessKeyId: held.accessKeyId,
        secretAccessKey: held.secretAccessKey,
        sessionToken: held.sessionToken,
        expiration: new Date(held.expiration),
      };
    },
  };
}

async function ask(fetcher: typeof fetch, code: string): Promise<Handover> {
  const answer = await fetcher("./session", { method: "POST", headers: { "X-NeuroCAAS-Code": code } });
  if (!answer.ok) {
    throw new Problem(
      "no session",
      "the address that `invoke portal` prints, opened once",
      "Type `invoke portal` again, and open what it prints",
    );
  }
  return (await answer.json()) as Handover;
}
