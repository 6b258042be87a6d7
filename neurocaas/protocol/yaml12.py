"""YAML that people write, read by the core schema of YAML 1.2.2 (section 10.3): the one place that says what
a plain word means.

    ~ null Null NULL, and nothing             null
    true True TRUE false False FALSE          a boolean
    12 +12 -12 010 (ten)  0o17 0xFF           an integer
    1e3 1e-3 .5 5. -1.5E+3  .inf -.Inf .nan   a number
    everything else                           a text: yes, on, 1:30, 12:30:00, 1_000, 2026-01-31

`differences` tells what YAML 1.1, which most scripts read, makes of the same words. Beside the schema: a
mapping has each name once, only plain values are made (no Python objects), and `<<` merges mappings as in
1.1, since people use it. `dump` writes what both versions read alike. PyYAML does the rest; it is imported
only when there is YAML to read (30 ms, and the Lambda carries it: runtime.manager.VENDORED).
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from neurocaas.protocol.documents import TwiceError, once
from neurocaas.protocol.problems import InvalidInput, Problem, shown

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_SCHEMA: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("null", _NULL, "~nN"),
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("merge", re.compile(r"<<\Z"), "<"),
)
"""Tag, form and first letters of each kind of plain word. A word is of the first kind that it fits."""

_SHOWN = 20


@dataclass(frozen=True)
class YamlDifference:
    """A plain word that YAML 1.1 reads otherwise, in line `line` (from 1), as the value of `name` ("" in a
    list, or where it is a name itself). `now` and `before` are what the versions read, as people write it."""

    line: int
    name: str
    word: str
    now: str
    before: str

    def text(self) -> str:
        """One line: `line 3, window: 010 is 10, which YAML 1.1 reads as 8`."""
        place = f"line {self.line}, {self.name}" if self.name else f"line {self.line}"
        return f"{place}: {self.word} is {self.now} (YAML 1.2), which YAML 1.1 reads as {self.before}"


def load(text: str, what: str) -> Any:
    """The value of a document. Raises InvalidInput naming `what`."""
    return read(text, what)[0]


def read(text: str, what: str) -> tuple[Any, list[YamlDifference]]:
    """The value of a document, and what YAML 1.1 reads otherwise. Raises InvalidInput naming `what`."""
    import yaml

    reader = None
    try:
        reader = _reader()(text)
        node = reader.get_single_node()
        value = None if node is None else reader.construct_document(node)
        return value, _differences(reader.words)
    except TwiceError as error:
        raise InvalidInput([error.problem(what)]) from None
    except yaml.MarkedYAMLError as error:
        with suppress(ValueError, RecursionError):
            return _json(text), []
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        got = f"text that is not YAML: {error.problem or 'it is misformatted'}{where}"
        raise InvalidInput([Problem(what, got, "YAML", "Correct the file")]) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidInput(
            [Problem(what, "text that is not YAML: it is misformatted", "YAML", "Correct the file")]
        ) from error
    finally:
        if reader is not None:
            reader.dispose()


def _json(text: str) -> Any:
    """JSON is YAML 1.2, also where it is indented with tabs, which PyYAML does not take. Raises ValueError
    for any other text.
    """
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=int)  # int refuses NaN and Infinity
    except TwiceError as error:
        raise ValueError(str(error)) from None


def differences(text: str) -> list[YamlDifference]:
    """What YAML 1.1 reads otherwise in a document; nothing of one that cannot be read."""
    try:
        return read(text, "")[1]
    except InvalidInput:
        return []


def notes(found: Iterable[YamlDifference]) -> list[str]:
    """Differences in words, the first twenty of them."""
    every = [difference.text() for difference in found]
    more = len(every) - _SHOWN
    return every[:_SHOWN] + ([f"{more} more words that YAML 1.1 reads otherwise"] if more > 0 else [])


def dump(value: Any, *, width: int = 80) -> str:
    """A document that YAML 1.1 and 1.2 read alike: texts that either takes for something else stand in
    quotes.
    """
    import yaml

    return str(yaml.dump(value, Dumper=_writer(), sort_keys=False, allow_unicode=True, width=width))


def is_text(word: str) -> bool:
    """Whether both versions read this plain word as a text."""
    import yaml

    try:
        return bool(yaml.safe_load(word) == word and load(word, "") == word)
    except (InvalidInput, yaml.YAMLError, ValueError):
        return False


def number(word: str) -> int | float | None:
    """The number that a text stands for by the core schema, else by what people mean by it: `1_000`, and
    sexagesimals as YAML 1.1 reads them (1:30 is 90). None for other texts."""
    plain = (
        word.strip().replace("_", "")
        if re.fullmatch(r"\s*[-+.0-9][0-9_.]*([eE][-+]?[0-9]+)?\s*", word)
        else word.strip()
    )
    if _INT.match(plain):
        return _int(plain)
    if _FLOAT.match(plain):
        return _float(plain)
    if re.fullmatch(r"[-+]?[0-9]+(?::[0-5]?[0-9])+", plain):
        total = 0
        for part in plain.lstrip("-+").split(":"):
            total = total * 60 + int(part)
        return -total if plain.startswith("-") else total
    return None


def boolean(word: str) -> bool | None:
    """The boolean that a text stands for: `true`, and what YAML 1.1 takes for one (yes, on, off, …). None for
    other texts.
    """
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
        word.strip().lower()
    )


def _int(word: str) -> int:
    base = {"0o": 8, "0x": 16}.get(word[:2], 10)
    return int(word[2:] if base != 10 else word, base)


def _float(word: str) -> float:
    lower = word.lower()
    return float(lower.replace(".", "", 1) if lower.endswith(("inf", "nan")) else lower)


def add_schema(loader: Any) -> Any:
    """Teach a class that is a PyYAML loader the core schema, in place of what it knows of plain words."""
    loader.yaml_implicit_resolvers = {}
    for name, form, first in _SCHEMA:
        loader.add_implicit_resolver(_TAG + name, form, [*first, ""] if name == "null" else list(first))
    for name, form, make in (
        ("bool", _BOOL, lambda word: word.lower() == "true"),
        ("int", _INT, _int),
        ("float", _FLOAT, _float),
    ):
        loader.add_constructor(_TAG + name, _constructor(name, form, make))
    return loader


def _constructor(name: str, form: re.Pattern[str], make: Any) -> Any:
    """For a word of this kind, found by its form or named by its tag (`!!int "12"`; an integer is a number
    too).
    """
    import yaml

    def construct(loader: Any, node: Any) -> Any:
        word = loader.construct_scalar(node)
        if not form.match(word):
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown(word)} is no {name} of YAML 1.2", node.start_mark
            )
        return make(word)

    return construct


@lru_cache(maxsize=1)
def _reader() -> Any:
    """YAML's safe loader with the core schema, for mappings that have each name once. (What `<<` merges in is
    no second name.)
    """
    import yaml

    class Reader(yaml.SafeLoader):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.words: list[tuple[yaml.ScalarNode, list[str]]] = []
            self._named: dict[int, list[str]] = {}

        def compose_scalar_node(self, anchor: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            node = super().compose_scalar_node(anchor)
            if event.tag == "!":
                node.tag = f"{_TAG}str"  # "! 12" asks for the text (YAML 1.2.2, 6.9.1)
            elif event.implicit[0]:
                name = self._named[id(node)] = []
                self.words.append((node, name))
            return node

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            once(
                [
                    (name.value, None)
                    for name, _ in node.value
                    if isinstance(name, yaml.ScalarNode) and name.value != "<<"
                ]
            )
            for name, value in node.value:
                if (
                    id(value) in self._named
                    and isinstance(name, yaml.ScalarNode)
                    and not self._named[id(value)]
                ):
                    self._named[id(value)].append(name.value)
            return node

    return add_schema(Reader)


@lru_cache(maxsize=1)
def _writer() -> Any:
    """YAML's safe dumper, for which a word is no text if either version takes it for something else."""
    import yaml

    class Writer(yaml.SafeDumper):
        pass

    for name, form, first in _SCHEMA:
        Writer.add_implicit_resolver(_TAG + name, form, [*first, ""] if name == "null" else list(first))
    return Writer


def _differences(words: Iterable[tuple[Any, list[str]]]) -> list[YamlDifference]:
    import yaml

    new, old = _reader()(""), cast("Any", yaml.SafeLoader(""))
    read: dict[str, tuple[str, str]] = {}
    found = []
    for node, name in words:
        word: str = node.value
        if word not in read:
            tag = old.resolve(yaml.ScalarNode, word, (True, False))
            # Of words that are the same kind in both versions, only integers with leading zeros have two
            # values.
            alike = tag == node.tag and (tag != f"{_TAG}int" or not re.match(r"[-+]?0[0-9]", word))
            read[word] = ("", "") if alike else (_value(new, node.tag, word), _value(old, tag, word))
        now, before = read[word]
        if now != before:
            found.append(
                YamlDifference(
                    node.start_mark.line + 1,
                    shown(name[0])[1:-1] if name else "",
                    shown(word)[1:-1],
                    now,
                    before,
                )
            )
    return found


def _value(loader: Any, tag: str, word: str) -> str:
    """A plain word as a loader makes it of its tag, in words."""
    import yaml

    try:
        value = loader.construct_document(yaml.ScalarNode(tag, word))
    except (yaml.YAMLError, ValueError, OverflowError, KeyError, IndexError):
        return "a mistake"
    if isinstance(value, str):
        return f"the text {json.dumps(value, ensure_ascii=False)}"
    if isinstance(value, datetime.date):
        return "a date" if not isinstance(value, datetime.datetime) else "a time"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a number of more than 300 digits"
    return json.dumps(value)
