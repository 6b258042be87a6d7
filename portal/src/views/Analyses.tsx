/** The analyses that the group may use. */
import { useCallback, type ReactNode } from "react";
import { listAnalyses, stackOf } from "../data/analyses";
import { usePlace } from "../place";
import { pathTo } from "../router";
import { Shown, useLoaded } from "../ui/parts";

export function Analyses(): ReactNode {
  const { clients, session } = usePlace();
  const loaded = useLoaded(useCallback(() => listAnalyses(clients.ssm, session.group), [clients, session]));
  return (
    <>
      <h1>Analyses of {session.group}</h1>
      <Shown of={loaded}>
        {(all) =>
          all.length ? (
            <ul className="cards">
              {all.map((one) => (
                <li key={stackOf(one)}>
                  <h2>
                    <a href={pathTo(stackOf(one))}>{one.analysis}</a> <small>{one.stage}</small>
                  </h2>
                  <p>{one.title}</p>
                  <p>
                    <a href={pathTo(stackOf(one), "jobs")}>Jobs</a>
                  </p>
                </li>
              ))}
            </ul>
          ) : (
            <p>Your group has no analysis yet: ask your administrator.</p>
          )
        }
      </Shown>
    </>
  );
}
