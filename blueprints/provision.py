"""The recording: the scripts and files in `blueprints/<name>/provision/`.

- `provision/NN-name.sh` build the image, in the order of their names;
- `provision/validate/*.sh` check it on the machine that built it;
- `provision/test/*.sh` check it on a fresh machine that started from it, and `provision/test/golden/` is a
  dataset with the numbers that the analysis must find in it there (`image_builder.golden`): it travels apart,
  so that other numbers make no other image;
- every other file there is material of the scripts, which run with `provision/` as their working directory;
- `provision/recording/` is about the recording (its log, its verification) and no part of it: nothing there
  changes an image.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from blueprints import golden
from blueprints.parents import BASE
from neurocaas.protocol.problems import InvalidInput, Problem

PHASES = ("build", "validate", "test")
ABOUT = "recording"
"""Folder below provision/ that tells where the scripts come from; it is not read as part of them."""

_IGNORED = frozenset({"__pycache__", ".DS_Store", ".git"})


@dataclass(frozen=True)
class Script:
    """One script. `path` is relative to provision/; `text` is what runs, as written."""

    phase: str
    path: str
    text: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def interpreter(self) -> str | None:
        """The program of the `#!` line, None for bash (also when there is no such line)."""
        first = self.text.split("\n", 1)[0]
        if not first.startswith("#!"):
            return None
        words = first[2:].split()
        program = words[0].rpartition("/")[2] if words else ""
        if program == "env" and len(words) > 1:
            program = next((word for word in words[1:] if not word.startswith("-")), "")
        return None if program == "bash" else first[2:].strip()


@dataclass(frozen=True)
class Provision:
    """All of `provision/`: the scripts in the order in which they run, and every file (scripts and golden
    test too) by relative path.
    """

    scripts: tuple[Script, ...]
    files: tuple[tuple[str, Path], ...]

    @property
    def golden(self) -> bool:
        """Whether there is a golden test."""
        return bool(self.golden_files)

    @property
    def golden_files(self) -> tuple[tuple[str, Path], ...]:
        """What the golden test is made of."""
        return tuple((path, file) for path, file in self.files if path.startswith(f"{golden.FOLDER}/"))

    @property
    def material(self) -> tuple[tuple[str, Path], ...]:
        """What images are made of: every file but the golden test's."""
        return tuple((path, file) for path, file in self.files if not path.startswith(f"{golden.FOLDER}/"))

    @property
    def extra_files(self) -> tuple[str, ...]:
        """Files beside the scripts, which must travel with them."""
        scripts = {script.path for script in self.scripts}
        return tuple(path for path, _ in self.material if path not in scripts)

    def digest(self) -> str:
        """SHA-256 over names, modes and contents of what images are made of."""
        total = hashlib.sha256()
        for path, file in self.material:
            mode = "x" if file.stat().st_mode & 0o111 else "-"
            total.update(f"{path}\0{mode}\0{sha256_of(file)}\n".encode())
        return total.hexdigest()


def sha256_of(file: Path) -> str:
    """Of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read(folder: Path, *, whole: bool = True) -> Provision:
    """Reads `provision/`. Raises InvalidInput for scripts that are empty, not UTF-8, or have Windows line
    ends or a byte order mark, and for a golden test without numbers, where it has to be `whole`: for a bake
    it does, for a recording not."""
    files = tuple(
        (path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] != ABOUT
        and not _IGNORED.intersection(path.relative_to(folder).parts)
    )
    scripts: list[Script] = []
    where = f"blueprints/{folder.parent.name}/{folder.name}/{golden.FOLDER}"
    problems = list(golden.problems(folder / golden.FOLDER, where, expected=whole))
    if folder.parent.name == BASE and (folder / golden.FOLDER).is_dir():
        allowed, do = (
            "scripts test/*.sh: the base image has no analysis to run",
            "Move it to an analysis, or remove it",
        )
        problems.append(Problem(where, "a golden test of the base image", allowed, do))
    for phase in PHASES:
        for path, file in files:
            parent, _, name = path.rpartition("/")
            if not name.endswith(".sh") or parent != ("" if phase == "build" else phase):
                continue
            where = f"blueprints/{folder.parent.name}/{folder.name}/{path}"
            try:
                text = file.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                problems.append(
                    Problem(where, "bytes that are not UTF-8", "a text file in UTF-8", "Save it as UTF-8")
                )
                continue
            if text.startswith("\ufeff"):
                problems.append(
                    Problem(
                        where,
                        "a byte order mark, which hides the `#!`",
                        "UTF-8 without a mark",
                        "Save it without the mark",
                    )
                )
            if "\r\n" in text:
                problems.append(
                    Problem(
                        where,
                        "Windows line ends",
                        "lines that end in \\n",
                        "Convert it, for instance with dos2unix",
                    )
                )
            elif "\0" in text or not text.strip():
                problems.append(
                    Problem(
                        where,
                        "an empty or binary file",
                        "a script with commands",
                        "Write it, or remove the file",
                    )
                )
            scripts.append(Script(phase, path, text if text.endswith("\n") else text + "\n"))
    if problems:
        raise InvalidInput(problems)
    return Provision(tuple(scripts), files)
