"""The words of this package: things of an account, resources that a program wants, and who owns what."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.tags import PROJECT_TAG, STACK_TAG

PREFIX = "neurocaas"
RANDOM = r"[0-9a-f]{7}"
"""What Pulumi appends to a logical name, after a hyphen."""
TOP_SURE = 29
"""Characters of a stack's first part of names that no cut changes (components/names.py)."""


class Account:
    """boto3 clients of one region, each made once, and what was listed, each list asked for once."""

    def __init__(self, make: Callable[..., Any], region: str | None) -> None:
        self._make, self.region = make, region
        self._known: dict[Any, Any] = {}

    @functools.cache  # noqa: B019  (an account lives as long as a command)
    def client(self, service: str) -> Any:
        return self._make(service, region_name=self.region)

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """All items of a listing that has pages."""
        asked = (service, operation, tuple(sorted((name, str(value)) for name, value in arguments.items())))
        if asked not in self._known:
            pages = self.client(service).get_paginator(operation).paginate(**arguments)
            self._known[asked] = [item for page in pages for item in page.get(key) or ()]
        return list(self._known[asked])


Tags = Mapping[str, str]


@dataclass(frozen=True)
class Thing:
    """Something that exists. `id`: what Pulumi calls it (its import id is `import_id`, where that is
    another). `tags` asks for its tags; None for what has none, or whose home says whose it is. `document`:
    what it says, for things of which several may look alike."""

    type: str
    name: str
    id: str
    arn: str = ""
    tags: Callable[[], Tags] | None = None
    import_id: str = ""
    document: Any = None

    @property
    def for_import(self) -> str:
        return self.import_id or self.id


@dataclass(frozen=True)
class Identity:
    """How other resources name one: in a property that refers to it stands its id, its name or its ARN."""

    id: str
    name: str = ""
    arn: str = ""


@dataclass(frozen=True)
class WantedResource:
    """A resource that the program has and the state has not. `refers`: property to what it refers to, None
    where that does not exist either. `exact`: the inputs are those with which an engine began to make it, so
    that a name in them is no guess."""

    urn: str
    type: str
    inputs: Mapping[str, Any]
    refers: Mapping[str, Identity | None] = field(default_factory=dict)
    exact: bool = False

    @property
    def name(self) -> str:
        """The logical name."""
        return self.urn.rpartition("::")[2]

    def home(self, of: str) -> Identity | None:
        """What the property `of` refers to, or the value that the program gives it."""
        if of in self.refers:
            return self.refers[of]
        value = self.inputs.get(of)
        return Identity(value, value, value) if isinstance(value, str) and value else None


@dataclass(frozen=True)
class Owner:
    """A stack, as its tags say it."""

    stack: str
    project: str = PREFIX

    @property
    def tags(self) -> dict[str, str]:
        return {PROJECT_TAG: self.project, STACK_TAG: self.stack}

    @property
    def prefix(self) -> str:
        """What all names that Pulumi makes for this stack begin with (another stack's may as well: the tags
        decide).
        """
        return f"{PREFIX}-{self.stack}"[:TOP_SURE]

    def owns(self, tags: Tags) -> bool:
        return self.tags.items() <= dict(tags).items()


def autonamed(logical: str, separator: str = "-", before: str = "") -> re.Pattern[str]:
    """The names that Pulumi makes of a logical name."""
    return re.compile(f"{re.escape(before)}{re.escape(logical)}{re.escape(separator)}{RANDOM}", re.IGNORECASE)


def pairs(tags: Sequence[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    return {one[key]: one[value] for one in tags or ()}


def tagging(
    call: Callable[..., Any], where: str, *, key: str = "Key", value: str = "Value", **arguments: Any
) -> Callable[[], Tags]:
    """Asks for tags when they are needed. `where`: of the answer, in which they are a map or a list of
    pairs.
    """

    def ask() -> Tags:
        found = call(**arguments).get(where) or {}
        return dict(found) if isinstance(found, Mapping) else pairs(found, key, value)

    return ask


def absent(error: Exception, *codes: str) -> bool:
    """Whether AWS says that there is no such thing."""
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    return code in codes or code.startswith("NoSuch") or "NotFound" in code or code == "404"


Lister = Callable[[Account, str], Iterator[Thing]]
"""All things of a type whose name begins so."""
Finder = Callable[[Account, WantedResource], Iterator[Thing]]
"""The things of a type that lie where a wanted resource would lie."""
