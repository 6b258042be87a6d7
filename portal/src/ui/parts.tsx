/** Small parts that all views share. */
import { useCallback, useEffect, useState, type ReactNode } from "react";
import { problemOf, type Problem } from "../problem";

export function ProblemBox({ problem }: { readonly problem: Problem }): ReactNode {
  return (
    <div className="problem" role="alert">
      <p>
        <strong>Got:</strong> {problem.got}
      </p>
      <p>
        <strong>Allowed:</strong> {problem.allowed}
      </p>
      <p>
        <strong>Do:</strong> {problem.todo}
      </p>
    </div>
  );
}

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly at: Date | undefined;
  reload(): void;
}

/** Something that is read when the view opens, and again every `every` milliseconds; 0: not by itself. */
export function useLoaded<T>(read: () => Promise<T>, every = 0): Loaded<T> {
  const [state, set] = useState<Omit<Loaded<T>, "reload">>({
    value: undefined,
    problem: undefined,
    at: undefined,
  });
  const [turn, next] = useState(0);
  const reload = useCallback(() => {
    next((value) => value + 1);
  }, []);
  useEffect(() => {
    let open = true;
    read().then(
      (value) => {
        if (open) set({ value, problem: undefined, at: new Date() });
      },
      (error: unknown) => {
        if (open) set((old) => ({ ...old, problem: problemOf(error) }));
      },
    );
    const timer = every ? setTimeout(reload, every) : undefined;
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, [read, every, turn, reload]);
  return { ...state, reload };
}

/** What was loaded, else that it is on its way; what went wrong stands above what is old. */
export function Shown<T>({
  of,
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (value: T) => ReactNode;
}): ReactNode {
  return (
    <>
      {of.problem && <ProblemBox problem={of.problem} />}
      {of.value !== undefined && of.problem && (
        <p className="old">This is as it was at {of.at?.toLocaleTimeString()}.</p>
      )}
      {of.value !== undefined ? children(of.value) : !of.problem && <p aria-busy="true">Loading …</p>}
    </>
  );
}
