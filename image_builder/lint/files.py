"""Which files are read with which rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blueprints.provision import ABOUT, PHASES
from image_builder.lint.documents import is_document, lint_document
from image_builder.lint.findings import Finding
from image_builder.lint.scripts import asks_for_index, lint_script
from neurocaas.protocol import interpreter

_DOCUMENTS = (".yml", ".yaml")


def lint_paths(paths: Iterable[Path], root: Path) -> list[Finding]:
    """Findings of files and folders: `*.sh` as scripts, YAML that is a component document as such; a file
    that was named, in any case.

    Places are told relative to `root` where they are below it. Raises FileNotFoundError for a path that is
    not there.
    """
    found: list[Finding] = []
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and (
                    file.suffix == ".sh" or (file.suffix in _DOCUMENTS and is_document(_text(file)))
                ):
                    found += _lint(file, root, strict=False)
        elif path.is_file():
            found += _lint(path, root, strict=False)
        else:
            raise FileNotFoundError(path)
    return found


def lint_provision(folder: Path, root: Path) -> list[Finding]:
    """Findings of a `provision/` folder: its scripts, which run under strict options, and documents that lie
    there.
    """
    found: list[Finding] = []
    updated = False
    for file in sorted(folder.rglob("*"), key=_order):
        place = file.relative_to(folder).parts
        if not file.is_file() or place[0] == ABOUT:
            continue
        runs = file.suffix == ".sh" and (len(place) == 1 or (len(place) == 2 and place[0] in PHASES[1:]))
        if runs or file.suffix == ".sh":
            found += _lint(file, root, strict=runs, updated=updated)
            updated = updated or (runs and asks_for_index(_text(file)))
        elif file.suffix in _DOCUMENTS and is_document(_text(file)):
            found += _lint(file, root, strict=False)
    return found


def _text(file: Path) -> str:
    """What can be read of a file; "" when nothing can."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _order(file: Path) -> tuple[int, Path]:
    """What builds the image comes before what checks it."""
    return (PHASES.index(file.parent.name) if file.parent.name in PHASES else 0, file)


def _lint(file: Path, root: Path, *, strict: bool, updated: bool = False) -> list[Finding]:
    name = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return [Finding(name, 1, "encoding", "bytes that are not UTF-8", "Save it as UTF-8")]
    except OSError as error:
        return [
            Finding(name, 1, "encoding", f"a file that cannot be read: {error.strerror}", "Let it be read")
        ]
    if not text.strip("\ufeff \t\r\n") or "\0" in text:
        return [Finding(name, 1, "encoding", "an empty or binary file", "Write it, or remove it")]
    found = []
    if text.startswith("\ufeff"):
        found.append(Finding(name, 1, "encoding", "a byte order mark", "Save it as UTF-8 without a mark"))
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if file.suffix in _DOCUMENTS or (
        file.suffix != ".sh" and not plain.startswith("#!") and is_document(plain)
    ):
        return found + lint_document(plain, name)  # lines may end as on Windows: YAML knows one kind of them
    if "\r\n" in text:
        found.append(
            Finding(name, 1, "encoding", "Windows line ends", "Convert it, for instance with dos2unix")
        )
    runner = interpreter.parse(plain.encode())
    # of bash a bake takes only the text; all else is started as Linux starts it
    rule = "shebang" if runner.is_bash else "interpreter"
    found += [
        Finding(name, 1, rule, problem.got, problem.do) for problem in interpreter.problems(plain.encode())
    ]
    if runner.name not in ("bash", "sh", "dash", ""):
        return found  # another language
    return found + lint_script(plain, name, strict=strict, updated=updated)
