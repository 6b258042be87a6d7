/** What every view needs: who is here, and the clients. */
import { createContext, useContext, useMemo } from "react";
import type { Clients } from "./clients";
import type { PortalConfig } from "./config";
import type { DeployedAnalysis } from "./data/analyses";
import { Store } from "./data/store";
import type { Session } from "./session";

export interface Place {
  readonly config: PortalConfig;
  readonly session: Session;
  readonly clients: Clients;
}

export const PlaceContext = createContext<Place | undefined>(undefined);

export function usePlace(): Place {
  const place = useContext(PlaceContext);
  if (!place) throw new Error("a view outside of the page");
  return place;
}

export function useStore(analysis: DeployedAnalysis): Store {
  const { clients } = usePlace();
  return useMemo(() => new Store(clients.s3, analysis.bucket), [clients, analysis]);
}
