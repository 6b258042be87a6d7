"""The commands that tell what there is to run, and how."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocaas.commands.command import command
from neurocaas.commands.speaking import JSON, WHERE, analysis_of, as_json, note, say
from neurocaas.errors import AnalysisError

if TYPE_CHECKING:
    from neurocaas.protocol.analyses import DeployedAnalysis
    from neurocaas.protocol.published_settings import About

_AT_ONCE = 8


@command(help={"group": "One of your groups. Default: all of them.", **JSON})
def analyses(group: str = "", json: bool = False) -> None:
    """List the analyses that your group may use, with machine, price and whether they are ready."""
    from neurocaas.describing import HEADERS, SCHEMA_VERSION, row
    from neurocaas.layout import table

    groups = _groups(group)
    found = [(one, *each) for one in groups for each in _of_group(one)]
    if json:
        entries = [_entry(one, name, deployed, about) for one, name, deployed, about in found]
        say(as_json({"schema_version": SCHEMA_VERSION, "analyses": entries}))
    else:
        rows = [
            row(name, about, deployed.title, one if len(groups) > 1 else "", _at_most(about))
            for one, name, deployed, about in found
        ]
        for line in table(HEADERS, rows, right=("$/hour", "at most"), less=("$/hour", "machine")):
            say(line)
    if not found:
        note(f"no analysis is listed for {' and '.join(groups)}: {_otherwise(groups[0])}")
    elif not json:
        note("`neurocaas describe ANALYSIS` tells more of one; at most: of one dataset that is never done")


@command(
    starts=True,
    help={
        **WHERE,
        **JSON,
        "example": (
            "Write an example config to this file (.yaml has the meaning of each parameter, .json has not), "
            "'-' for standard output. Nothing that is there is replaced."
        ),
    },
)
def describe(analysis: str = "", group: str = "", example: str = "", json: bool = False) -> None:
    """Tell what a dataset must contain, the parameters, and what an analysis takes and costs."""
    from neurocaas import describing
    from neurocaas.layout import edge, heading
    from neurocaas.protocol.lines import to_stdout
    from neurocaas.protocol.printable import printable

    chosen = analysis_of(analysis, group)
    about = chosen.about()
    if example:
        _write(example, describing.example_text(about, example))
        return
    foreseen = chosen.forecast([0])
    if json:
        say(as_json(describing.facts(about, chosen.group, foreseen)))
        return
    for number, line in enumerate(describing.lines(about, foreseen, chosen.name, edge())):
        if number == 0 or line in describing.HEADINGS:
            to_stdout(heading(printable(line), sys.stdout))
        else:
            say(line)


@command(starts=True, help={**WHERE, **JSON})
def advise(analysis: str = "", group: str = "", json: bool = False) -> None:
    """Propose machine, disk and duration from what the group's runs have needed, with the evidence."""
    from dataclasses import asdict

    chosen = analysis_of(analysis, group)
    found = chosen.advise()
    if json:
        say(as_json({"schema_version": 1, **asdict(found)}))
        return
    for line in found.lines():
        say(line)


def _groups(group: str) -> list[str]:
    from neurocaas import access

    if group:
        return [group]
    profile = access.profile_in_use()
    own = access.defaults().group
    found = [own] if own or profile is None else []
    found += [one for one in profile.all_groups if one != own] if profile else []
    if not any(found):
        raise AnalysisError("no --group", "your group", "say which: --group NAME; `neurocaas login` keeps it")
    return found


def _otherwise(group: str) -> str:
    """What to do where a group has nothing: its name may be a slip of one of the person's groups."""
    from neurocaas import access
    from neurocaas.nearest import did_you_mean

    profile = access.profile_in_use()
    others = [one for one in (profile.all_groups if profile else ()) if one != group]
    return did_you_mean(group, others, "ask the administrator which there are")


def _of_group(group: str) -> list[tuple[str, DeployedAnalysis, About | None]]:
    """Each analysis of a group, with what it says of itself: None where that cannot be read."""
    from concurrent.futures import ThreadPoolExecutor

    from neurocaas import access
    from neurocaas.analysis import Analysis
    from neurocaas.describing import named
    from neurocaas.lookup import known_to

    session = access.session(group=group)
    known = named(known_to(session, group))

    def about(name: str) -> About | None:
        try:
            found: About = Analysis(name, group, session=session).about()
        except AnalysisError:
            return None
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [
            (name, one, said) for (name, one), said in zip(known.items(), pool.map(about, known), strict=True)
        ]


def _at_most(about: About | None) -> float | None:
    """What a dataset may cost that is never done, in dollars."""
    if about is None:
        return None
    from neurocaas.forecast import one_at_most

    return one_at_most(about)


def _entry(group: str, name: str, one: DeployedAnalysis, about: About | None) -> dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "analysis": one.analysis,
        "stage": one.stage,
        "title": about.title if about else one.title,
        "bucket": one.bucket,
        "region": one.region,
        "ready": about.image_ready if about else None,
        "instance_type": about.instance_type if about else None,
        "usd_per_hour": about.prices[about.instance_type] if about else None,
        "usd_at_most": _at_most(about),
    }


def _write(name: str, text: str) -> None:
    if name == "-":
        sys.stdout.write(text)
        return
    path = Path(name)
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        raise AnalysisError(
            f"{name!r} as the name of a config", "a name ending in .yaml, .yml or .json, or '-'", "rename it"
        )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise AnalysisError(
            f"{name} is there already", "a file that is not there yet", "choose another name, or remove it"
        ) from error
    except OSError as error:
        raise AnalysisError(
            f"{name}: {error.strerror}", "a file in a folder that you may write", "choose another name"
        ) from error
    note(f"{name}: an example config; change it, then `neurocaas submit --config {name} …`")


COMMANDS = (analyses, describe, advise)
