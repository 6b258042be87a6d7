"""Patterns that are looked for in lines of others: regular expressions without what can take for ever.

A pattern of an author meets what scripts print, which may be made to be hard for it. Python's `re` goes back
and tries again, which for some patterns takes longer than anybody waits; here all ways through a pattern are
followed at once (K. Thompson, "Regular Expression Search Algorithm", 1968), so a line takes time in
proportion to its length, whatever it says.

What there is: characters, `.`, `[a-z]`, `[^…]`, `\\d \\w \\s` and their opposites, `^`, `$`, `(…)`, `|`, `*`,
`+`, `?`, `{2,5}`, and `(?i)` at the beginning. No other `\\` before a letter, no references to groups, no
looking ahead.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass

PATTERN_MAX = 200
"""Characters of a pattern."""

STATES_MAX = 400
"""Parts of a pattern, with those that `{…}` repeats."""

_REPEATS_MAX = 100
_KNOWN_MAX = 4000
"""Steps that are remembered."""

ALLOWED = (
    "a regular expression of characters, . [...] \\d \\w \\s ^ $ (...) | * + ? {2,5}, and (?i) before it"
)

_Test = Callable[[str], bool]
_CHAR, _SPLIT, _BEGIN, _END, _FOUND = "char", "split", "begin", "end", "found"


class PatternError(ValueError):
    """What is wrong with a pattern, in words."""


class Steps:
    """How much may be looked at in all: what is over it is not looked at, and counts as not found."""

    def __init__(self, left: int = 3_000_000) -> None:
        self.left = left


@dataclass
class _Part:
    """One instruction. `to` are the numbers of those that may follow."""

    kind: str
    test: _Test | None = None
    to: tuple[int, ...] = ()


class LinePattern:
    """A pattern, read. Raises PatternError."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > PATTERN_MAX:
            raise PatternError(f"it has {len(pattern)} characters, at most {PATTERN_MAX} are allowed")
        self._parts = _Reader(pattern).parts()
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._start = self._closed([0], begin=True)
        self._again = self._closed([0], begin=False)
        if self.found(""):
            raise PatternError("it fits every line")

    def found(self, line: str, steps: Steps | None = None) -> bool:
        """Whether it is found anywhere in a line (a text without line breaks)."""
        steps = steps or Steps()
        now = self._start
        for character in line:
            if self._over in now:
                return True
            if steps.left <= 0:
                return False
            then = self._known.get((now, character))
            if then is None:
                steps.left -= len(now)
                if len(self._known) >= _KNOWN_MAX:
                    self._known.clear()
                then = self._known[now, character] = self._after(now, character)
            steps.left -= 1
            now = then
        return self._over in self._closed(now, begin=not line, end=True)

    @property
    def _over(self) -> int:
        return len(self._parts) - 1

    def _after(self, now: frozenset[int], character: str) -> frozenset[int]:
        hit = [
            part.to[0]
            for part in (self._parts[number] for number in now)
            if part.test is not None and part.test(character)
        ]
        return self._closed(hit, begin=False) | self._again

    def _closed(
        self, numbers: list[int] | frozenset[int], *, begin: bool, end: bool = False
    ) -> frozenset[int]:
        """The parts that wait for a character (or for the end), from these on."""
        found, waiting = set[int](), list(numbers)
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            part = self._parts[number]
            if part.kind == _SPLIT or (part.kind == _BEGIN and begin) or (part.kind == _END and end):
                waiting += part.to
        return frozenset(found)


# A pattern as read: what a piece of it may be.
@dataclass(frozen=True)
class _Node:
    kind: str  # char, begin, end, empty, both, either, many
    test: _Test | None = None
    of: tuple[_Node, ...] = ()
    least: int = 0
    most: int | None = None


_CLASSES: dict[str, _Test] = {
    "d": str.isdigit,
    "w": lambda one: one.isalnum() or one == "_",
    "s": str.isspace,
}


class _Reader:
    """Takes a pattern apart, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._anyhow = pattern.startswith("(?i)")
        self._text, self._at = pattern, 4 if self._anyhow else 0
        self._made: list[_Part] = []

    def parts(self) -> list[_Part]:
        node = self._either()
        if self._at < len(self._text):
            raise self._fault(f"{self._text[self._at]!r} closes nothing")
        self._write(node)
        self._add(_Part(_FOUND))
        return self._made

    def _fault(self, what: str) -> PatternError:
        return PatternError(f"{what} (at character {self._at + 1})")

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _either(self) -> _Node:
        ways = [self._both()]
        while self._next == "|":
            self._at += 1
            ways.append(self._both())
        return ways[0] if len(ways) == 1 else _Node("either", of=tuple(ways))

    def _both(self) -> _Node:
        some = []
        while self._next not in ("", "|", ")"):
            some.append(self._many())
        return _Node("both", of=tuple(some))

    def _many(self) -> _Node:
        node = self._one()
        bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self._next)
        if bounds is not None:
            self._at += 1
        elif self._next == "{":
            bounds = self._bounds()
        else:
            return node
        if node.kind in ("begin", "end"):
            raise self._fault("^ and $ cannot be repeated")
        if self._next == "?":  # of several ways the shortest: whether it is found is the same
            self._at += 1
        if self._next and self._next in "*+?{":
            raise self._fault(f"{self._next!r} follows what is repeated already")
        return _Node("many", of=(node,), least=bounds[0], most=bounds[1])

    def _bounds(self) -> tuple[int, int | None]:
        inner, closed, _ = self._text[self._at + 1 :].partition("}")
        low, comma, high = inner.partition(",")
        numbers = [text for text in (low, high) if text]
        if not closed or not low or any(not (text.isascii() and text.isdigit()) for text in numbers):
            raise self._fault("{ begins no {2}, {2,} or {2,5}; a plain one is \\{")
        least, most = int(low), (int(high) if high else None) if comma else int(low)
        if max(least, most or 0) > _REPEATS_MAX or (most is not None and most < least):
            raise self._fault(f"repeats are up to {_REPEATS_MAX}, the smaller number first")
        self._at += len(inner) + 2
        return least, most

    def _one(self) -> _Node:
        character = self._next
        self._at += 1
        if character == "(":
            return self._group()
        if character == "[":
            return self._char(self._class())
        if character == ".":
            return self._char(lambda _: True)
        if character in "^$":
            return _Node("begin" if character == "^" else "end")
        if character in "*+?{":
            self._at -= 1
            raise self._fault(f"{character!r} repeats nothing; a plain one is \\{character}")
        if character == "\\":
            return self._char(self._escaped())
        return self._char(self._folded(self._same(character)))

    def _group(self) -> _Node:
        if self._next == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise self._fault("of groups there are (…) and (?:…)")
            self._at += 2
        node = self._either()
        if self._next != ")":
            raise self._fault("a ( is not closed")
        self._at += 1
        return _Node("both", of=(node,))

    def _char(self, test: _Test) -> _Node:
        return _Node(_CHAR, test)

    def _folded(self, test: _Test) -> _Test:
        """The test for both cases, where the pattern wants that."""
        return (lambda one: test(one) or test(one.lower()) or test(one.upper())) if self._anyhow else test

    @staticmethod
    def _same(character: str) -> _Test:
        return lambda one: one == character

    def _escaped(self) -> _Test:
        character = self._next
        self._at += 1
        if character == "t":
            return self._same("\t")
        if character.lower() in _CLASSES and character:
            test = _CLASSES[character.lower()]
            return test if character.islower() else lambda one: not test(one)
        if not character or character in string.ascii_letters + string.digits:
            self._at -= 1
            raise self._fault(f"there is no \\{character}")
        return self._same(character)

    def _class(self) -> _Test:
        negated = self._next == "^"
        self._at += negated
        tests: list[_Test] = []
        while self._next != "]" or not tests:
            if not self._next:
                raise self._fault("a [ is not closed")
            tests.append(self._folded(self._member()))
        self._at += 1
        return lambda one: any(test(one) for test in tests) is not negated

    def _member(self) -> _Test:
        character = self._next
        self._at += 1
        if character == "\\":
            return self._escaped()
        if self._next == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]", "\\"):
            last = self._text[self._at + 1]
            if last < character:
                raise self._fault(f"{character}-{last} goes backwards")
            self._at += 2
            return lambda one: character <= one <= last
        return self._same(character)

    # To instructions
    def _add(self, part: _Part) -> int:
        if len(self._made) >= STATES_MAX:
            raise PatternError(f"it has more than {STATES_MAX} parts with what it repeats; make it shorter")
        self._made.append(part)
        return len(self._made) - 1

    def _write(self, node: _Node) -> None:
        """Append the instructions of `node`; it goes on behind them."""
        made = self._made
        if node.kind == "both":
            for one in node.of:
                self._write(one)
        elif node.kind == "either":
            self._write_either(node)
        elif node.kind == "many":
            for _ in range(node.least):
                self._write(node.of[0])
            if node.most is None:
                split = self._add(_Part(_SPLIT))
                self._write(node.of[0])
                back = self._add(_Part(_SPLIT, to=(split,)))
                made[split].to = (split + 1, back + 1)
            else:
                splits = []
                for _ in range(node.most - node.least):
                    splits.append(self._add(_Part(_SPLIT)))
                    self._write(node.of[0])
                for split in splits:
                    made[split].to = (split + 1, len(made))
        else:
            number = self._add(_Part(node.kind, node.test))
            made[number].to = (number + 1,)

    def _write_either(self, node: _Node) -> None:
        jumps = []
        for number, one in enumerate(node.of):
            last = number == len(node.of) - 1
            split = None if last else self._add(_Part(_SPLIT))
            self._write(one)
            if split is not None:
                jumps.append(self._add(_Part(_SPLIT)))
                self._made[split].to = (split + 1, len(self._made))
        for jump in jumps:
            self._made[jump].to = (len(self._made),)
