/** Addresses of views, behind `#`: they can be sent to a colleague, and no server sees them. */
import { useSyncExternalStore } from "react";

export function usePath(): readonly string[] {
  const hash = useSyncExternalStore(
    (changed) => {
      addEventListener("hashchange", changed);
      return () => {
        removeEventListener("hashchange", changed);
      };
    },
    () => location.hash,
  );
  return parsePath(hash);
}

export const parsePath = (hash: string): readonly string[] =>
  hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);

export const pathTo = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join("/")}`;
