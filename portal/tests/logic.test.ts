import type { RJSFSchema } from "@rjsf/utils";
import { describe, expect, it, vi } from "vitest";
import { jobKeys, submissionKey, cancelKey } from "../src/contract/keys";
import { readLines, nameOf } from "../src/data/jobs";
import { nameFault, newTimestamp } from "../src/data/submit";
import { parsePath, pathTo } from "../src/router";
import { takeOver } from "../src/session";
import { bytes, dollars, duration } from "../src/units";
import { validator } from "../src/validator";
import cases from "../../docs/vectors/keys.json";

describe("keys", () => {
  it.each(cases)("are those of the service ($group, $timestamp)", ({ group, timestamp, ...wanted }) => {
    const keys = jobKeys(group, timestamp);
    expect({
      job: keys.job,
      certificate: keys.certificate,
      end: keys.end,
      status: keys.status("a b"),
      submission: submissionKey(group, timestamp),
      cancel: cancelKey(submissionKey(group, timestamp)),
    }).toEqual(wanted);
  });
});

describe("the index", () => {
  it("reads its lines, fills in what is left out, and passes over what it cannot read", () => {
    const text = '{"folder":"job_x_1","created":"2026-01-01T00:00:00Z","state":"RUNNING"}\n{"no\n[]\n\n';
    const [one, ...others] = readLines(text);
    expect(others).toEqual([]);
    expect(one && nameOf(one)).toBe("x_1");
    expect(one?.cost).toBe(0);
  });
});

describe("names of files", () => {
  it.each(["a.txt", "a folder/b.nii.gz", "日本語.tif", "x".repeat(900)])("%s is taken", (name) => {
    expect(nameFault(name)).toBeUndefined();
  });
  it.each(["", "../a", "a//b", "a\nb", "a\\b", "x".repeat(901)])("%j is refused in three parts", (name) => {
    const fault = nameFault(name);
    expect(fault?.got && fault.allowed && fault.todo).toBeTruthy();
  });
});

it("names a job as the command does", () => {
  expect(newTimestamp(new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)))).toBe("2026-01-02T03-04-05.006");
});

it("has addresses that come back whatever is in them", () => {
  const parts = ["dti-prod", "jobs", "a/b #?%"];
  expect(parsePath(pathTo(...parts))).toEqual(parts);
});

it("writes amounts as the commands do", () => {
  expect([bytes(0), bytes(1536), dollars(5_000), dollars(1_230_000), duration(59), duration(3725)]).toEqual([
    "0 B",
    "1.5 KiB",
    "$0.0050",
    "$1.23",
    "59 s",
    "1 h 2 min",
  ]);
});

describe("the form's validator", () => {
  const schema = {
    type: "object",
    required: ["wait"],
    properties: { wait: { type: "number", minimum: 0 } },
    additionalProperties: false,
  } satisfies RJSFSchema;
  it("says at which field an error is", () => {
    const { errors } = validator.validateFormData({ wait: -1 }, schema);
    expect(errors.map(({ property }) => property)).toEqual([".wait"]);
    expect(validator.isValid(schema, { wait: 1 }, schema)).toBe(true);
  });
});

it("takes a session over once, and takes the code out of the address", async () => {
  const answer = {
    group: "lab1",
    person: "ann",
    lead: false,
    renewal: "next",
    accessKeyId: "A",
    secretAccessKey: "S",
    sessionToken: "T",
    expiration: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const fetcher = vi.fn(() => Promise.resolve(new Response(JSON.stringify(answer))));
  location.hash = `#start=${"c".repeat(43)}`;
  const session = await takeOver(fetcher);
  expect(location.hash).toBe("#/");
  await session.credentials();
  expect(fetcher).toHaveBeenCalledTimes(1);
  const kept = Object.keys(sessionStorage).map((name) => sessionStorage.getItem(name));
  expect(kept).toEqual(["next"]);
  expect(localStorage.length).toBe(0);
});
