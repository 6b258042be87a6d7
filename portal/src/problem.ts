/** What a person is told of what went wrong: what was got, what is allowed, what to do next. */
export class Problem extends Error {
  constructor(
    readonly got: string,
    readonly allowed: string,
    readonly todo: string,
  ) {
    super(`${got}. Allowed: ${allowed}. ${todo}`);
    this.name = "Problem";
  }
}

/** Any error as a problem: those of AWS by their code, all others in their own words. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  switch (name) {
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "CredentialsProviderError":
      return new Problem("your session has ended", "a session that lasts", "Sign in again; nothing is lost");
    case "AccessDenied":
    case "AccessDeniedException":
      return new Problem(
        `no right to this (${message})`,
        "what your group may see",
        "Choose another group, or ask your administrator",
      );
    case "NoSuchKey":
    case "NotFound":
      return new Problem("something that is not there (any more)", "what is there", "Go back, and look again");
    default:
      return new Problem(
        message || name || "an unknown error",
        "an answer of the service",
        "Check the network, and try again",
      );
  }
}
