"""The analyst's commands about money: what was spent, who may spend what, and an end to everything that
spends."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from neurocaas import access
from neurocaas.access import defaults
from neurocaas.bucket import AT_ONCE
from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, WHERE, analyses_of, analysis_of, as_json, note, say
from neurocaas.errors import AnalysisError
from neurocaas.typed import command as typed

if TYPE_CHECKING:
    from neurocaas.limiting import Allotment
    from neurocaas.spending import GroupSpending

_ALL = "Of all analyses of the group; so it is when no analysis is named."


@command(
    help={
        **WHERE,
        **JSON,
        "month": "The month: 2026-11. Default: this one (UTC).",
        "since": "In place of a month, from then to now: 12h, 2d, 3w, or a date like 2026-11-01.",
        "by": "In all for each member, analysis or month.",
        "all": _ALL,
        "csv": "A row for each job, or what --by says, as CSV.",
    }
)
def cost(
    analysis: str = "",
    group: str = "",
    month: str = "",
    since: str = "",
    by: str = "",
    all: bool = False,  # noqa: A002  (the word that is typed)
    csv: bool = False,
    json: bool = False,
) -> None:
    """Show what the group's jobs of a month have cost: each job, or each member, analysis or month.

    A job counts in the month in which it was taken. Every member of a group sees all of the group's jobs,
    and no other group's.
    """
    from neurocaas import own_jobs
    from neurocaas.spending import chosen_by, rows, totals

    kind = chosen_by(by)
    begin, end, named = span_of(month, since)
    found, chosen = _spent(analysis, group, begin, end, every=all)
    buckets = {one.name: own_jobs.own(one.bucket, one.group) for one in chosen}
    jobs = rows(found, lambda name, job: job in buckets[name])
    in_all = [asdict(one) for one in totals(found, kind)] if kind else []
    if json:
        say(as_json(_document(found, chosen[0].group, month=named, since=since and begin.isoformat(),
                              by=kind, totals=in_all, jobs=[] if kind else jobs)))  # fmt: skip
    elif csv:
        write_csv(in_all if kind else jobs, _TOTAL if kind else _JOB)
    else:
        _tables(found, in_all, kind, jobs, f"group {chosen[0].group} {_when(named, since)}")
    still = [job for one in found for job in one.open]
    if still and not json and not csv:
        reserved = sum(one.reserved_usd for one in found)
        known = f"; ${reserved:.2f} are reserved for them" if reserved else ""
        what = f"{_many(len(still), 'job')} without an end, or a certificate"
        note(f"{what}: what that costs is not in it{known}")


_JOB = ["analysis", "job", "created", "outcome", "datasets", "seconds", "cost_usd", "submitter", "mine"]
_TOTAL = ["name", "jobs", "datasets", "seconds", "cost_usd", "open", "reserved_usd"]


def span_of(month: str, since: str) -> tuple[Any, Any, str | None]:
    """From when to when --month and --since mean, and the month's name."""
    from datetime import timedelta

    from neurocaas.overview import since_when
    from neurocaas.spending import month_of, span
    from neurocaas.timestamps import now

    if month and since:
        raise AnalysisError("--month and --since", "one of them", "leave one out")
    if since:
        begin = since_when(since)
        return begin, now() + timedelta(days=1), None
    named = month_of(month, now())
    return *span(named), named


def _spent(analysis: str, group: str, begin: Any, end: Any, *, every: bool) -> tuple[list[Any], list[Any]]:
    from neurocaas.spending import spent_between

    whole = every or not (analysis or defaults().analysis)
    chosen = analyses_of("" if every else analysis, group) if whole else [analysis_of(analysis, group)]
    return [spent_between(one, begin, end) for one in chosen], chosen


def _document(found: Sequence[GroupSpending], group: str, **more: Any) -> dict[str, Any]:
    return {
        **more,
        "group": group,
        "since": more["since"] or None,
        "cost_usd": round(sum(one.usd for one in found), 6),
        "reserved_usd": round(sum(one.reserved_usd for one in found), 6),
        "analyses": [
            {
                "analysis": one.analysis,
                "cost_usd": round(one.usd, 6),
                "reserved_usd": round(one.reserved_usd, 6),
                "open": one.open,
            }
            for one in found
        ],
    }


def write_csv(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Rows with a header, on standard output."""
    out = io.StringIO()
    lines = csv_format.DictWriter(out, names, lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    say(out.getvalue().rstrip("\n"))


def _when(month: str | None, since: str) -> str:
    return f"in {month}" if month else f"since {since}"


def _tables(
    found: Sequence[GroupSpending],
    in_all: Sequence[dict[str, Any]],
    kind: str,
    jobs: Sequence[dict[str, Any]],
    what: str,
) -> None:
    from neurocaas.layout import table
    from neurocaas.protocol.units import duration, money

    if kind:
        cells = [
            [one["name"], str(one["jobs"]), str(one["datasets"]), duration(one["seconds"]),
             money(one["cost_usd"]), str(one["open"] or ""),
             money(one["reserved_usd"]) if one["reserved_usd"] else ""]
            for one in in_all
        ]  # fmt: skip
        headers = [kind, "jobs", "datasets", "machine time", "cost", "open", "reserved"]
        for line in table(headers, cells, right=headers[1:], less=["machine time", "datasets"]):
            say(line)
    else:
        cells = [
            [one["analysis"], one["job"], str(one["created"])[:10], one["outcome"], str(one["datasets"]),
             money(one["cost_usd"]), one["submitter"] or ("me" if one["mine"] else "")]
            for one in jobs
        ]  # fmt: skip
        headers = ["analysis", "job", "day", "outcome", "datasets", "cost", "who"]
        for line in table(headers, cells, right=["datasets", "cost"], less=["day", "outcome"]):
            say(line)
        if len(found) > 1:
            for one in found:
                say(f"{one.analysis}: {money(one.usd)}")
    say(f"{what}: {money(sum(one.usd for one in found))} for {_many(len(jobs), 'job')}")


@command(
    help={
        **WHERE,
        **JSON,
        "member": "Of this member of the group, by the name in groups.yaml.",
        "each": "Of each member who has none of their own.",
        "usd": "US dollars a month, less than the budget.",
        "remove": "Take the limit away.",
    }
)
def limit(
    analysis: str = "",
    group: str = "",
    member: str = "",
    each: bool = False,
    usd: str = "",
    remove: bool = False,
    json: bool = False,
) -> None:
    """Show what the group and its members may spend in a month; a lead sets limits (--usd, --remove).

    Of the budget that an administrator has given and a lead's limit the lower counts, from the next
    submission on. Without --member and --each, the limit is the whole group's. Only an administrator changes
    a budget (groups.yaml).
    """
    from neurocaas import limiting

    if usd and remove:
        raise AnalysisError("--usd and --remove", "one of them", "leave one out")
    if member and each:
        raise AnalysisError("--member and --each", "one of them", "leave one out")
    chosen = analysis_of(analysis, group)
    if usd or remove:
        try:
            limiting.change(_as_lead(chosen), usd, member=member, each=each)
        except access.NoRole:
            raise limiting.no_lead(chosen.group) from None
    found = limiting.read(chosen, (member,) if member else ())
    if json:
        say(as_json({
            "schema_version": 1, "analysis": found.analysis, "group": found.group, "month": found.month,
            "budget_usd": found.whole.budget, "limit_usd": found.whole.limit,
            **{name: value for name, value in _facts(found.whole).items() if name in _FIGURES},
            "each": {name: value for name, value in _facts(found.each).items() if name not in _SPENT},
            "members": [{"name": one.name, **_facts(one)} for one in found.members],
        }))  # fmt: skip
        return
    for line in _limit_lines(found.whole, found.each, found.members):
        say(line)


_SPENT = ("spent_usd", "reserved_usd", "left_usd")
_FIGURES = ("allowed_usd", *_SPENT)


def _facts(one: Allotment) -> dict[str, float | None]:
    named = {f"{each.name}_usd": getattr(one, each.name) for each in fields(one) if each.name != "name"}
    return {**named, "left_usd": one.left}


def _limit_lines(whole: Allotment, each: Allotment, members: Sequence[Allotment]) -> list[str]:
    from neurocaas.layout import table
    from neurocaas.protocol.units import money

    def amount(value: float | None) -> str:
        return "" if value is None else money(value)

    rows = [
        [name, *(amount(value) for value in (one.budget, one.limit, one.spent, one.reserved, one.left))]
        for name, one in (
            (f"group {whole.name}", whole),
            *([("each member", each)] if each.allowed is not None else []),
            *((one.name, one) for one in members),
        )
    ]
    headers = ["whose", "budget", "limit", "spent", "reserved", "left"]
    return table(headers, rows, right=headers[1:], less=["reserved", "budget"])


def _as_lead(chosen: Any) -> Any:
    """The analysis with the rights of the group's leads, where a profile says how one signs in."""
    profile = access.profile_in_use()
    if profile is None or profile.as_is or profile.lead:
        return chosen
    from neurocaas.analysis import Analysis

    return Analysis(
        chosen.name, chosen.group, session=access.session_of(replace(profile, lead=True), chosen.group)
    )


@command(
    name="stop-all",
    help={**WHERE, **JSON, "yes": "Stop them. Without it, they are only listed."},
)
def stop_all(analysis: str = "", group: str = "", yes: bool = False, json: bool = False) -> None:
    """End all open jobs of the group now, those that wait too: of one analysis, or of all.

    Machines stop within some minutes, and what they have so far is kept; only the time that they ran is
    paid. Any member may do so, since any member may end any job of the group; an administrator names the
    group.
    """
    from neurocaas.overview import open_jobs

    # an analysis that the shell or a profile names is not meant: everything of the group is
    chosen = [analysis_of(analysis, group)] if analysis else analyses_of("", group)
    stopped, refused, seen = list[dict[str, str]](), list[str](), set[tuple[str, str]]()
    while True:
        found = [(one, job) for one, job in open_jobs(chosen) if (one.name, job.timestamp) not in seen]
        seen |= {(one.name, job.timestamp) for one, job in found}
        if yes and found:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for told in pool.map(lambda pair: _stop(*pair), found):
                    (refused.append if isinstance(told, str) else stopped.append)(told)  # type: ignore[arg-type]
        if not yes or not found:  # else some may have come meanwhile
            break
    if json:
        names = [{"analysis": name, "job": job} for name, job in sorted(seen)]
        say(as_json({"schema_version": 1, "group": chosen[0].group, "open": names,
                     "stopped": stopped, "refused": refused}))  # fmt: skip
    elif not seen:
        note(f"no job of group {chosen[0].group} is open")
    elif not yes:
        for name, job in sorted(seen):
            say(f"{name}/{job}")
    for one in [] if json else stopped:
        say(f"asked to end {one['analysis']}/{one['job']}")
    for text in [] if json else refused:
        note(text)
    if seen and not yes:
        raise Ended(f"{_many(len(seen), 'job')} would be stopped: add --yes", code=0 if json else 2)
    if refused:
        raise Ended(f"{len(refused)} of {_many(len(seen), 'job')} could not be asked to end", code=1)
    if stopped and not json:
        note(
            f"{_many(len(stopped), 'job')} end within some minutes (`{typed('jobs')} --all --state open`); "
            f"`{typed('limit')} --usd 0` keeps new ones from starting"
        )


def _stop(analysis: Any, job: Any) -> dict[str, str] | str:
    try:
        return {"analysis": analysis.name, "job": job.timestamp, "request": job.cancel()}
    except AnalysisError as error:
        return f"{analysis.name}/{job.timestamp}: {error}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


COMMANDS = (cost, limit, stop_all)
