"""A BIDS folder as datasets, one for each participant (Brain Imaging Data Structure, bids-specification,
"Common principles").

A participant's dataset has the folder `sub-LABEL` and, beside it, the files at the top of the BIDS folder
(`dataset_description.json`, `participants.tsv`, sidecars that all participants inherit), so that it is a
BIDS folder itself. What `.bidsignore` names, hidden files and what operating systems leave behind stays here.
So do other folders (`derivatives`, `sourcedata`, `code`, …) unless they are asked for; of those that are,
what belongs to other participants.

These few rules are all that choosing files takes; whether names and sidecars are right is for the validator
of BIDS.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurocaas.errors import AnalysisError, raise_all
from neurocaas.formats.file_tree import FileTree
from neurocaas.formats.gitignore import IgnoredPattern, ignores, read_patterns
from neurocaas.layout import cell
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.ignored import LEFT_BEHIND, is_ignored
from neurocaas.protocol.names import key_fault

DESCRIPTION = "dataset_description.json"
_IGNORE = ".bidsignore"
_POINTER = b"/annex/objects/"
"""How a file of git-annex begins whose content is not here (unlocked; a locked one is a link to nothing)."""

_POINTER_SIZE = 32 << 10
_NAMED = 5


@dataclass(frozen=True)
class BidsChoice:
    """`trees`: a dataset for each participant, in the order that was asked for. `left_out`: folders at the
    top that stay here, and how many files are ignored, for people."""

    trees: tuple[FileTree, ...]
    left_out: tuple[str, ...]


def choose(
    folder: str | os.PathLike[str],
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    include: Sequence[str] = (),
    ignore: Sequence[str] = LEFT_BEHIND,
) -> BidsChoice:
    """The datasets of a BIDS folder. `participants` and `sessions` by their labels, with or without `sub-`
    and `ses-`; none: all. `include`: other folders at the top that go along (`derivatives`). Raises
    AnalysisError with everything that is wrong.
    """
    root = Path(folder)
    raise_all(_description(root))
    there = sorted(
        entry.name.removeprefix("sub-") for entry in root.iterdir() if entry.name.startswith("sub-")
        and entry.is_dir()
    )  # fmt: skip
    if not there:
        raise AnalysisError(
            f"no participants in {root}",
            "folders sub-LABEL in it, such as sub-01",
            "name the BIDS folder itself",
        )
    wanted, errors = _labels(participants, there, "sub-", "participant")
    others = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(("sub-", "."))
    )
    for name in include:
        if name not in others:
            allowed = (
                f"a folder at the top of {root}: {', '.join(others) or 'it has none besides participants'}"
            )
            errors.append(
                AnalysisError(
                    f"no folder {name!r} to include", allowed, did_you_mean(name, others, "check its name")
                )
            )
    raise_all(errors)
    patterns = _patterns(root)
    ignored: list[str] = []

    def data(below: str) -> Iterator[str]:
        for name in _files(root, below):
            if _hidden(name) or is_ignored(name, ignore) or ignores(patterns, name):
                ignored.append(name)
            else:
                yield name

    shared = [name for name in sorted(os.listdir(root)) if (root / name).is_file() or _is_gone(root / name)]
    top = [
        name for name in shared if not (_hidden(name) or is_ignored(name, ignore) or ignores(patterns, name))
    ]
    ignored += [name for name in shared if name not in top and name != _IGNORE]
    beside = [name for one in include for name in data(one)]
    trees = []
    for label in wanted:
        own = list(data(f"sub-{label}"))
        kept, faults = _of_sessions(own, sessions, label)
        errors += faults
        if not kept and not faults:
            errors.append(
                AnalysisError(
                    f"no data in {root / f'sub-{label}'}", "a participant with files", "leave it out"
                )
            )
        along = [name for name in beside if _belongs(name, label, sessions)]
        common = [*top, *(name for name in along if not _owners(name))]
        names = [*top, *kept, *along]
        trees.append(FileTree(f"sub-{label}", {name: root / name for name in names}, frozenset(common)))
    errors += _unfit(root, sorted({name for tree in trees for name in tree.files}))
    raise_all(errors)
    left = [f"{name}/" for name in others if name not in include]
    count = len(set(ignored))
    notes = [f"left out: {', '.join(left)} (--include NAME takes one along)"] if left else []
    if count:
        notes.append(
            f"left out: {count} file{'' if count == 1 else 's'} that are hidden or that {_IGNORE} names"
        )
    return BidsChoice(tuple(trees), tuple(notes))


def listing(trees: Sequence[FileTree]) -> list[str]:
    """What goes where, for people: a line for each dataset, then its files."""
    lines = []
    for tree in trees:
        own = len(tree.files) - len(tree.shared)
        lines.append(f"{tree.name}: {own} files of its own, {len(tree.shared)} that go with each dataset")
        lines += [f"  {cell(name)}" for name in tree.files]
    return lines


def _description(root: Path) -> list[AnalysisError]:
    """What is wrong with the folder as a whole."""
    path = root / DESCRIPTION
    if not root.is_dir():
        return [AnalysisError(f"no such folder: {root}", "a BIDS folder", "check the path")]
    if not path.is_file():
        inner = sorted(found.parent for found in root.glob(f"*/{DESCRIPTION}"))
        do = f"did you mean {str(inner[0])!r}?" if len(inner) == 1 else (
            "name the BIDS folder itself, or upload other folders with --data"
        )  # fmt: skip
        return [AnalysisError(f"no {DESCRIPTION} in {root}", "a BIDS folder, which has one", do)]
    allowed = 'a JSON object with "Name" and "BIDSVersion"'
    do = "correct it; the validator of BIDS (bids-validator) says more"
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        return [AnalysisError(f"{path} is no JSON ({error})", allowed, do)]
    missing = [name for name in ("Name", "BIDSVersion") if not isinstance(said, dict) or not said.get(name)]
    return [AnalysisError(f"no {' and no '.join(missing)} in {path}", allowed, do)] if missing else []


def _labels(
    asked: Sequence[str], there: Sequence[str], prefix: str, what: str
) -> tuple[list[str], list[AnalysisError]]:
    """The labels that were asked for, once each, or all."""
    labels = list(dict.fromkeys(one.strip().removeprefix(prefix) for one in asked if one.strip()))
    errors = []
    for label in labels:
        if label not in there:
            padded = [one for one in there if one.lstrip("0") == label.lstrip("0")]
            known = ", ".join(there[:_NAMED]) + (
                f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
            )
            otherwise = f"check the folders {prefix}…"
            do = f"did you mean {padded[0]!r}?" if padded else did_you_mean(label, there, otherwise)
            errors.append(AnalysisError(f"no {what} {label!r}", known, do))
    return labels or list(there), errors


def _of_sessions(
    names: Sequence[str], sessions: Sequence[str], label: str
) -> tuple[list[str], list[AnalysisError]]:
    """The files of a participant that belong to these sessions (none: to any), and those of no session."""
    there = sorted({found for name in names if (found := _session(name))})
    if not sessions:
        return list(names), []
    if not there:
        got = f"sub-{label} has no sessions"
        return [], [AnalysisError(got, "folders ses-LABEL in it", "leave --session out")]
    wanted, errors = _labels(sessions, there, "ses-", f"session of sub-{label}")
    return [name for name in names if _session(name) in ("", *wanted)], errors


def _session(name: str) -> str:
    """The label of the session that a file lies in, "" for none."""
    return next((part[4:] for part in name.split("/")[:-1] if part.startswith("ses-")), "")


def _belongs(name: str, label: str, sessions: Sequence[str]) -> bool:
    """Whether a file of an included folder is this participant's, or everybody's."""
    whose = _owners(name)
    asked = {one.strip().removeprefix("ses-") for one in sessions}
    return (not whose or label in whose) and (not asked or _session(name) in ("", *asked))


def _owners(name: str) -> list[str]:
    """The labels of the participants that a file is of, by its folders, else by its own name; [] for
    everybody's."""
    *folders, own = name.split("/")
    labels = [part.removeprefix("sub-") for part in folders if part.startswith("sub-")]
    return labels or re.findall(r"\Asub-([0-9A-Za-z+]+)_", own)


def _files(root: Path, below: str) -> Iterator[str]:
    """The files below a folder at the top, by their paths below `root`. Links to folders are followed, once
    each."""
    seen = set()
    for folder, folders, names in os.walk(root / below, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            yield (Path(folder) / name).relative_to(root).as_posix()


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _patterns(root: Path) -> list[IgnoredPattern]:
    try:
        return read_patterns((root / _IGNORE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def _unfit(root: Path, names: Sequence[str]) -> list[AnalysisError]:
    """What of the files cannot be uploaded."""
    gone = [name for name in names if _is_gone(root / name)]
    errors = []
    if gone:
        got = f"{_few(gone)}: the content is not here (git-annex, or a link to nothing)"
        do = "get it first: `datalad get`, or `git annex get`"
        errors.append(AnalysisError(got, "files with their content", do))
    wrong = [f"{cell(name)}: {fault}" for name in names if (fault := key_fault(name)) is not None]
    wrong += [
        f"{cell(name)}: it cannot be read"
        for name in names
        if name not in gone and not os.access(root / name, os.R_OK)
    ]
    if wrong:
        got = f"files that cannot be uploaded: {'; '.join(wrong[:_NAMED])}"
        errors.append(AnalysisError(got, "files with names without control characters", "rename them"))
    return errors


def _is_gone(path: Path) -> bool:
    """Whether a file is only the place of one whose content is elsewhere."""
    if not path.exists():
        return path.is_symlink()
    if not path.is_file() or path.stat().st_size > _POINTER_SIZE or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(cell(name) for name in names[:_NAMED]) + more
