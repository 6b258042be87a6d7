"""Who may do what, as tables: what `docs/security.md` shows and `test_security_matrix.py` measures, cell by cell.

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
LOGS = ("logs/active/", "logs/lab1/", "logs/lab10/")
PREFIXES = (*ANALYSIS, *LOGS, "")
"""Prefixes of the analysis bucket; the last one is the whole bucket."""

SHARED = ("code/", "analyses/", "provision/")
"""Prefixes of the artifact bucket."""

_MACHINE = {"inputs": "GL", "configs": "GL", "results": "GPL"}
_ANALYST = {"inputs": "PDL", "configs": "GPDL", "submissions": "PDL", "results": "GL"}


def _group(name: str, rights: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}/{folder}/": letters for folder, letters in rights.items()}


PUBLIC = ("catalogue/", "")
"""Prefixes of the catalogue bucket, which is there when the setting publicCatalogue is true; the last one is all else."""

_SERVICE = dict.fromkeys(PREFIXES, "L")
_REPORTS = {"logs/lab1/": "GL"}

BUCKET: Mapping[str, Mapping[str, str]] = {
    "analyst of lab1": _group("lab1", _ANALYST),
    "analyst of lab1, in a session": _group("lab1", _ANALYST),
    "lead of lab1": {**_group("lab1", _ANALYST), **_REPORTS},
    "lead of lab1, in a session": {**_group("lab1", _ANALYST), **_REPORTS},
    "analyst of lab10": _group("lab10", _ANALYST),
    "developer (debuggers)": _group("debuggers", _ANALYST),
    "development instance": _group("debuggers", _MACHINE),
    "CI that reviews": {},
    "machine of lab1": _group("lab1", _MACHINE),
    "machine of lab10": _group("lab10", _MACHINE),
    "manager": {
        **_SERVICE,
        **{p: "GPL" if "results" in p else "GL" for p in ANALYSIS},
    },
    "monitor": {
        **_SERVICE,
        **{p: "GPL" for p in ANALYSIS if "results" in p},
        "logs/active/": "GPDL",
        "logs/lab1/": "GPL",
        "logs/lab10/": "GPL",
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
    "machine that bakes": {"code/": "G", "analyses/": "G", "provision/": "G"},
}

CATALOGUE: Mapping[str, str] = {"catalogue/": "G"}
"""The same for every principal, with credentials or without."""

OTHERS = {
    "session1": "take the role of lab1",
    "lead1": "take the role of the leads of lab1",
    "session10": "take the role of lab10",
    "budget": "read the budget of lab1",
    "raise": "set the budget of lab1",
    "limit": "set a limit of lab1",
    "limit10": "set a limit of lab10",
    "key": "read the developers' private key",
    "submit": "send to the queue of submissions",
    "take": "take from the queue of submissions",
    "ledger": "read the ledger",
    "spend": "write the ledger",
    "invoke": "call the manager",
    "end": "end a machine of a job",
    "user": "make a user",
    "grant": "give the group lab1 another policy",
}

RIGHTS: Mapping[str, frozenset[str]] = {
    "analyst of lab1": frozenset({"session1"}),
    "analyst of lab1, in a session": frozenset(),
    "lead of lab1": frozenset({"session1", "lead1", "budget", "limit"}),
    "lead of lab1, in a session": frozenset({"budget", "limit"}),
    "analyst of lab10": frozenset({"session10"}),
    "developer (debuggers)": frozenset(),
    "development instance": frozenset(),
    "CI that reviews": frozenset(),
    "machine of lab1": frozenset(),
    "machine of lab10": frozenset(),
    "manager": frozenset({"budget", "take", "ledger", "spend"}),
    "monitor": frozenset({"ledger", "spend", "end"}),
    "machine that bakes": frozenset(),
    "anonymous": frozenset(),
}
"""Keys of OTHERS that a principal may do."""


def tables() -> str:
    """The tables as Markdown."""
    lines = [
        "In the bucket of an analysis: " + ", ".join(f"**{letter}** {what}" for letter, what in ACTIONS.items()) + ".",
        "",
        *_table(BUCKET, PREFIXES),
        "",
        "In the artifact bucket:",
        "",
        *_table({who: ARTIFACTS.get(who, {}) for who in BUCKET}, SHARED),
        "",
        "In the catalogue bucket (there when the setting `publicCatalogue` is true), the same for all of them:",
        "",
        "| `catalogue/` | all else |",
        "|---|---|",
        f"| {CATALOGUE['catalogue/']} | – |",
        "",
        "Elsewhere:",
        "",
        "| principal | may |",
        "|---|---|",
        *(f"| {who} | {', '.join(OTHERS[key] for key in OTHERS if key in rights) or '–'} |" for who, rights in RIGHTS.items()),
        "",
        f"Nobody of these may {', or '.join(what for key, what in OTHERS.items() if not any(key in r for r in RIGHTS.values()))}.",
    ]
    return "\n".join(lines)


def _table(rights: Mapping[str, Mapping[str, str]], prefixes: tuple[str, ...]) -> list[str]:
    head = " | ".join(f"`{prefix}`" if prefix else "all" for prefix in prefixes)
    rows = [f"| {who} | {' | '.join(cells.get(prefix, '') or '–' for prefix in prefixes)} |" for who, cells in rights.items()]
    return [f"| principal | {head} |", f"|---|{'---|' * len(prefixes)}", *rows]


def inserted(text: str) -> str:
    """The document with the tables of today."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(inserted(DOCUMENT.read_text()))
