"""Just enough of a shell's grammar for COMMAND lines: commands and what joins them, words as they are
written, placeholders in quotes.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

VARIABLES = ("bucketname", "inputpath", "resultdir", "configpath")
"""What the four placeholders stood for, as run_main.sh calls it."""
_JOINS = re.compile(r"&&|\|\||;|\n|&(?![>&])")
_RESERVED = frozenset(
    {
        *(
            "if",
            "then",
            "else",
            "elif",
            "fi",
            "for",
            "while",
            "until",
            "do",
            "done",
            "case",
            "esac",
            "select",
        ),
        *("function", "coproc", "{", "}", "!", "[[", "]]"),
    }
)


@dataclass(frozen=True)
class OldShellCommand:
    """A command, or a pipe of commands, as it is written; `before` joins it to the one before ("" for the
    first), `after` to the next.
    """

    text: str
    before: str
    after: str

    @property
    def words(self) -> tuple[str, ...]:
        """Its words as they are written, with their quotes."""
        return tuple(_words(self.text))


def commands(text: str) -> list[OldShellCommand]:
    """The commands of a line. Raises ValueError for a line that does not end, or is more than commands (if,
    for, functions).
    """
    parts: list[tuple[str, str]] = []
    start = position = 0
    while position < len(text):
        inside = _quoted(text, position)
        if inside > position:
            position = inside
            continue
        found = _JOINS.match(text, position)
        if found and not (found.group() == "&" and position and text[position - 1] in "<>"):
            parts.append((text[start:position].strip(), found.group().replace("\n", ";")))
            start = position = found.end()
        else:
            position += 1
    parts.append((text[start:].strip(), ""))
    made: list[OldShellCommand] = []
    before = ""
    for part, after in parts:
        if part and not part.startswith("#"):
            made.append(OldShellCommand(part, before, after))
        before = after if part else before
    for one in made:
        first = one.words[0] if one.words else ""
        if (
            first in _RESERVED
            or first.endswith("()")
            or (len(one.words) > 1 and one.words[1].startswith("()"))
        ):
            raise ValueError(f"no simple commands ({first})")
    return made


def readable(text: str) -> bool:
    """Whether bash reads it; nothing is run. True where there is no bash to ask."""
    if (bash := shutil.which("bash")) is None:
        return True
    return (
        subprocess.run(
            [bash, "-n"], input=text.encode("utf-8", "surrogatepass"), capture_output=True, check=False
        ).returncode
        == 0
    )


def plain(word: str) -> str:
    """A word without its quotes."""
    return "".join(shlex.split(word, comments=False))


def fixed(word: str) -> bool:
    """Whether a word says the same in every shell: no variable, pattern or output of a command in it."""
    return not re.search(r"[$`*?\[{]", word)


def filled(text: str, numbered: Callable[[], int], home: str = "/home/ubuntu") -> str:
    """A command with variables in the place of `{}`, of the home of its users, and of a `~` at the beginning
    of a word, whatever the quotes around them. `numbered` counts the placeholders."""
    made: list[str] = []
    quote, position = "", 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and quote != "'":
            made.append(text[position : position + 2])
            position += 2
            continue
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        variable, length = "", 1
        if text.startswith(("{{", "}}"), position):
            letter, length = text[position], 2
        elif text.startswith("{}", position):
            variable, length = VARIABLES[numbered() % len(VARIABLES)], 2
        elif (up := re.match(r"(\.\./)+(?=home/ubuntu)", text[position:])) and _begins_a_word(text, position):
            position += up.end() - 1  # so many steps up led to the root
            continue
        elif text.startswith(home, position) and not re.match(r"[\w.-]", text[position + len(home) :]):
            variable, length = "userhome", len(home)
        elif (
            letter == "~"
            and not quote
            and re.match(r"~(ubuntu|ec2-user)?(/|\s|$)", text[position:])
            and _begins_a_word(text, position)
        ):
            variable, length = "userhome", len((re.match(r"~(ubuntu|ec2-user)?", text[position:]) or [""])[0])
        made.append(
            {"": f'"${variable}"', '"': f"${{{variable}}}", "'": f"'\"${variable}\"'"}[quote]
            if variable
            else letter
        )
        position += length
    return "".join(made)


def _begins_a_word(text: str, position: int) -> bool:
    return position == 0 or text[position - 1] in " \t\n=:"


def _quoted(text: str, position: int) -> int:
    """Where what is quoted or nested at `position` ends; `position` when nothing is. Raises ValueError when
    it does not end.
    """
    letter = text[position]
    if letter == "\\":
        return position + 2
    if letter == "'":
        return _end(text, text.find("'", position + 1))
    if letter in '"`':
        place = position + 1
        while place < len(text) and text[place] != letter:
            nested = _quoted(text, place) if text[place] in "\\`" or text.startswith("$(", place) else place
            place = nested if nested > place else place + 1
        return _end(text, place if place < len(text) else -1)
    opening = position + 1 if text.startswith(("$(", "<(", ">("), position) else position
    if text[opening : opening + 1] == "(":
        place = opening + 1
        while place < len(text) and text[place] != ")":
            nested = _quoted(text, place)
            place = nested if nested > place else place + 1
        return _end(text, place if place < len(text) else -1)
    return position


def _end(text: str, found: int) -> int:
    if found < 0:
        raise ValueError("a quotation or a bracket that is not closed")
    return found + 1


def _words(text: str) -> Iterator[str]:
    start, position = 0, 0
    while position < len(text):
        inside = _quoted(text, position)
        if inside > position:
            position = inside
        elif text[position].isspace():
            if position > start:
                yield text[start:position]
            position += 1
            start = position
        else:
            position += 1
    if start < len(text):
        yield text[start:]
