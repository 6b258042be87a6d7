"""Who may do what, as tables: what `docs/security.md` shows and `test_security_matrix.py` measures, cell by
cell.

python tests/local/security_matrix.py     # writes the tables into docs/security.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- made by tests/local/security_matrix.py -->", "<!-- end -->"

ACTIONS = {"G": "read an object", "P": "write", "D": "delete", "L": "list"}
FOLDERS = ("inputs", "configs", "submissions", "results")
ANALYSIS = tuple(f"{group}/{folder}/" for group in ("lab1", "lab10", "debuggers") for folder in FOLDERS)
RECORDS = ("jobs/lab1/", "jobs/lab10/")
EVIDENCE = ("evidence/{one machine of lab1}/", "evidence/{another machine of lab1}/")
"""What is in braces stands for the user id of a machine; the row `machine of lab1` is that of the first
one.
"""
LOGS = ("logs/active/", "logs/lab1/", "logs/lab10/")
PREFIXES = (*ANALYSIS, *RECORDS, *EVIDENCE, *LOGS, "")
"""Prefixes of the analysis bucket; the last one is the whole bucket."""

SHARED = ("code/", "analyses/", "provision/", "notices/")
"""Prefixes of the artifact bucket."""

_MACHINE = {"inputs": "GL", "configs": "GL", "results": "GPL"}
_ANALYST = {"inputs": "PDL", "configs": "GPDL", "submissions": "PDL", "results": "GL"}


def _group(name: str, rights: Mapping[str, str]) -> dict[str, str]:
    """The group's folders, and the service's records of its jobs."""
    return {f"{name}/{folder}/": letters for folder, letters in rights.items()} | {f"jobs/{name}/": "GL"}


PUBLIC = ("catalogue/", "")
"""Prefixes of the catalogue bucket, which is there when the setting publicCatalogue is true; the last one is
all else.
"""

_SERVICE = dict.fromkeys(PREFIXES, "L")
_REPORTS = {"logs/lab1/": "GL"}

BUCKET: Mapping[str, Mapping[str, str]] = {
    "analyst of lab1": _group("lab1", _ANALYST),
    "analyst of lab1, in a session": _group("lab1", _ANALYST),
    "lead of lab1": {**_group("lab1", _ANALYST), **_REPORTS},
    "lead of lab1, in a session": {**_group("lab1", _ANALYST), **_REPORTS},
    "analyst of lab10": _group("lab10", _ANALYST),
    "developer (debuggers)": _group("debuggers", _ANALYST),
    "development instance": {f"debuggers/{folder}/": letters for folder, letters in _MACHINE.items()},
    "CI that reviews": {},
    "machine of lab1": {**_group("lab1", _MACHINE), EVIDENCE[0]: "GP"},
    "machine of lab10": _group("lab10", _MACHINE),
    "manager": {
        **_SERVICE,
        **{p: "GPL" if "results" in p else "GL" for p in ANALYSIS},
        **dict.fromkeys(RECORDS, "GPL"),
    },
    "monitor": {
        **_SERVICE,
        **dict.fromkeys((*RECORDS, *EVIDENCE, *LOGS), "GL"),
        **{p: "GL" for p in ANALYSIS if "results" in p},
    },
    "monitor's writer, for lab1": {
        "lab1/results/": "P",
        "jobs/lab1/": "P",
        "logs/active/": "PD",
        "logs/lab1/": "P",
    },
    "machine that bakes": {},
    "anonymous": {},
}
"""Letters of ACTIONS by principal and prefix; nothing where a prefix is not named."""

ARTIFACTS: Mapping[str, Mapping[str, str]] = {
    "development instance": {"code/": "G"},
    "machine of lab1": {"code/": "G"},
    "machine of lab10": {"code/": "G"},
    "manager": {"analyses/": "G"},
    "monitor": {"analyses/": "GL", "notices/": "GL"},
    "machine that bakes": {"code/": "G", "analyses/": "G", "provision/": "G"},
}

CATALOGUE: Mapping[str, str] = {"catalogue/": "G"}
"""The same for every principal, with credentials or without, but for a session with a policy of its own (the
writer's): a public object is open to all, and nothing hangs on whether its session may have it."""

OTHERS = {
    "session1": "take the role of lab1",
    "lead1": "take the role of the leads of lab1",
    "session10": "take the role of lab10",
    "another": "take the role of lab1 by the name of another member",
    "writer": "take the role of the monitor's writer",
    "budget": "read the budget of lab1",
    "raise": "set the budget of lab1",
    "limit": "set a limit of lab1",
    "limit10": "set a limit of lab10",
    "share": "set a limit of a member of lab1",
    "share10": "set a limit of a member of lab10",
    "allow": "set the budget of a member of lab1",
    "members": "read who is in lab1",
    "members10": "read who is in lab10",
    "change": "ask for changes of who is in lab1",
    "change10": "ask for changes of who is in lab10",
    "roster": "write who is in lab1",
    "key": "read the developers' private key",
    "secret": "read a secret of an analysis that does not name it",
    "submit": "send to the queue of submissions",
    "take": "take from the queue of submissions",
    "ledger": "read the ledger",
    "spend": "write the ledger",
    "invoke": "call the manager",
    "publish": "send a notice",
    "subscribe": "subscribe to notices",
    "end": "end a machine of a job",
    "user": "make a user",
    "grant": "give the group lab1 another policy",
}

RIGHTS: Mapping[str, frozenset[str]] = {
    "analyst of lab1": frozenset({"session1", "budget", "members"}),
    "analyst of lab1, in a session": frozenset({"budget", "members"}),
    "lead of lab1": frozenset({"session1", "lead1", "budget", "limit", "share", "members", "change"}),
    "lead of lab1, in a session": frozenset({"budget", "limit", "share", "members", "change"}),
    "analyst of lab10": frozenset({"session10", "members10"}),
    "developer (debuggers)": frozenset(),
    "development instance": frozenset(),
    "CI that reviews": frozenset(),
    "machine of lab1": frozenset(),
    "machine of lab10": frozenset(),
    "manager": frozenset({"budget", "members", "members10", "submit", "take", "ledger", "spend", "publish"}),
    "monitor": frozenset({"writer", "submit", "ledger", "spend", "end", "publish"}),
    "monitor's writer, for lab1": frozenset(),
    "machine that bakes": frozenset(),
    "anonymous": frozenset(),
}
"""Keys of OTHERS that a principal may do."""


def tables() -> str:
    """The tables as Markdown."""
    lines = [
        "In the bucket of an analysis: "
        + ", ".join(f"**{letter}** {what}" for letter, what in ACTIONS.items())
        + ".",
        "",
        *_table(BUCKET, PREFIXES),
        "",
        "In the artifact bucket:",
        "",
        *_table({who: ARTIFACTS.get(who, {}) for who in BUCKET}, SHARED),
        "",
        "In the catalogue bucket (there when the setting `publicCatalogue` is true), the same for all but "
        "the writer, which never asks:",
        "",
        "| `catalogue/` | all else |",
        "|---|---|",
        f"| {CATALOGUE['catalogue/']} | – |",
        "",
        "Elsewhere:",
        "",
        "| principal | may |",
        "|---|---|",
        *(
            f"| {who} | {', '.join(OTHERS[key] for key in OTHERS if key in rights) or '–'} |"
            for who, rights in RIGHTS.items()
        ),
        "",
        "Nobody of these may "
        f"{', or '.join(what for key, what in OTHERS.items() if not any(key in r for r in RIGHTS.values()))}.",  # noqa: E501
    ]
    return "\n".join(lines)


def _table(rights: Mapping[str, Mapping[str, str]], prefixes: tuple[str, ...]) -> list[str]:
    head = " | ".join(f"`{prefix}`" if prefix else "all" for prefix in prefixes)
    rows = [
        f"| {who} | {' | '.join(cells.get(prefix, '') or '–' for prefix in prefixes)} |"
        for who, cells in rights.items()
    ]
    return [f"| principal | {head} |", f"|---|{'---|' * len(prefixes)}", *rows]


def inserted(text: str) -> str:
    """The document with the tables of today."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(inserted(DOCUMENT.read_text()))
