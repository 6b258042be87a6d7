"""JSON objects as frozen dataclasses: the type hints of a class say what its objects have.

A field may be `str`, `int`, `float`, `bool`, `Any`, `T | None`, `tuple[T, ...]`, `Mapping[str, T]`, or
another such dataclass. What a hint cannot say stands in the field's metadata (`stored`). Each class is looked
at once in a process.

Names that the class does not have are ignored, so that documents of newer writers can be read. A field must
be there, unless it takes None or is marked as added later: then missing and null both stand for its default.
An int passes for a float, a bool never for a number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from neurocaas.protocol.documents import DocumentError

T = TypeVar("T")
_Convert = Callable[[Any], Any]
_METADATA = "neurocaas"
_REQUIRED, _NONE, _DEFAULT = "required", "none", "default"
"""What stands for a field that is missing."""

_READERS: dict[type, _Convert] = {}
_NAMES: dict[type, list[tuple[str, str | Callable[[str], str]]]] = {}
"""Of each class that was looked at: how it is read; its fields, with their names in the document."""


@dataclass(frozen=True)
class _Stored:
    """See `stored`."""

    name: str = ""
    added: bool = False
    among: Collection[str] = ()
    flat: Callable[[str], str] | None = None


def flat(names: Mapping[str, str] = MappingProxyType({}), *, prefix: str = "") -> Mapping[str, Any]:
    """The metadata of a field whose value has no object of its own in the document: its fields are the
    object's, by the name in `names` ("" for one that is not in the document), else by their own name behind
    `prefix`."""
    return {_METADATA: _Stored(flat=lambda name: names.get(name, f"{prefix}{name}"))}


def stored(name: str = "", *, added: bool = False, among: Collection[str] = ()) -> Mapping[str, Any]:
    """The metadata of a field (`dataclasses.field`). `name`: what it is called in the document, if not as in
    the class. `added`: documents of earlier versions do not have it. `among`: the texts it may be."""
    return {_METADATA: _Stored(name, added, among)}


def read(cls: type[T], data: object, what: str) -> T:
    """The `cls` that a JSON value stands for. Raises DocumentError, which begins with `what` and names the
    place."""
    try:
        value: T = _reader(cls)(data)
    except _Fault as fault:
        place = f": {'.'.join(fault.path)!r}" if fault.path else ""
        raise DocumentError(f"{what}{place} {fault.says}") from None
    return value


def data_of(value: Any) -> dict[str, Any]:
    """What `read` reads, for a dataclass: dicts, lists and plain values."""
    found: dict[str, Any] = {}
    for attribute, name in _names(type(value)):
        own = getattr(value, attribute)
        if callable(name):
            found.update({outer: one for inner, one in data_of(own).items() if (outer := name(inner))})
        else:
            found[name] = _plain(own)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return data_of(value)


def _names(cls: type) -> list[tuple[str, str | Callable[[str], str]]]:
    if cls not in _NAMES:
        hows = ((one.name, _stored(one)) for one in fields(cls))
        _NAMES[cls] = [(name, how.flat or how.name or name) for name, how in hows]
    return _NAMES[cls]


def _stored(one: Field[Any]) -> _Stored:
    found: _Stored = one.metadata.get(_METADATA, _Stored())
    return found


class _Fault(Exception):
    """What is wrong with a value; `path` is the way to it."""

    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.says, self.path = says, list[str]()

    def below(self, name: str) -> _Fault:
        self.path.insert(0, name)
        return self


def _reader(cls: type) -> _Convert:
    if cls not in _READERS:
        _READERS[cls] = _dataclass(cls, lambda name: name)
    return _READERS[cls]


def _dataclass(cls: type, outer: Callable[[str], str]) -> _Convert:
    """`outer`: what a name of the class is called in the object that it is read from; "" where it is not
    there."""
    hints = get_type_hints(cls)
    wholes, plan = [], []
    for one in fields(cls):
        how, hint = _stored(one), hints[one.name]
        if how.flat:
            wholes.append((one.name, _dataclass(hint, how.flat)))
        elif name := outer(how.name or one.name):
            plan.append((one.name, name, *_field(one, hint)))

    def convert(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _Fault("is not an object")
        values: dict[str, Any] = {attribute: whole(data) for attribute, whole in wholes}
        for attribute, name, of_value, lacking in plan:
            value = data.get(name)
            if value is None and lacking is not _REQUIRED:
                if lacking is _NONE:
                    values[attribute] = None
                continue
            if value is None and name not in data:
                raise _Fault(f"has no {name!r}")
            try:
                values[attribute] = of_value(value)
            except _Fault as fault:
                raise fault.below(name) from None
        return cls(**values)

    return convert


def _field(one: Field[Any], hint: Any) -> tuple[_Convert, str]:
    """How the value of a field is read, and what stands for it where it is missing."""
    how = _stored(one)
    convert = _one_of(_converter(hint), how.among) if how.among else _converter(hint)
    defaults = one.default is not MISSING or one.default_factory is not MISSING
    takes_none = type(None) in get_args(hint)
    lacking = _DEFAULT if defaults and (takes_none or how.added) else _NONE if takes_none else _REQUIRED
    return convert, lacking


def _converter(hint: Any) -> _Convert:
    if hint is Any:
        return lambda value: value
    if hint in (str, int, float, bool):
        return _scalar(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _reader(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and arguments[1:] == (...,):
        return _tuple(_converter(arguments[0]))
    if origin is Mapping:
        return _mapping(_converter(arguments[1]), plain=arguments[1] is Any)
    some = [one for one in arguments if one is not type(None)]
    if len(some) == 1 and len(arguments) == 2:
        return _converter(some[0])  # None has been seen to
    raise TypeError(f"no JSON value can be read as {hint}")


def _unlike(value: object, kind: str) -> _Fault:
    return _Fault(f"is {type(value).__name__}, not {kind}")


def _scalar(kind: type) -> _Convert:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            try:
                return float(value)
            except OverflowError:
                raise _Fault("is too large") from None
        if isinstance(value, kind) and not isinstance(value, bool):
            return value  # a text of a YAML reader's own class
        raise _unlike(value, kind.__name__)

    return convert


def _one_of(convert: _Convert, among: Collection[str]) -> _Convert:
    def checked(value: Any) -> Any:
        if convert(value) not in among:
            raise _Fault(f"is {value!r}, not one of {', '.join(among)}")
        return value

    return checked


def _tuple(convert: _Convert) -> _Convert:
    def convert_all(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _unlike(value, "list")
        found: list[Any] = []
        try:
            found.extend(map(convert, value))
        except _Fault as fault:  # `found` has those before it
            raise fault.below(str(len(found))) from None
        return tuple(found)

    return convert_all


def _mapping(convert: _Convert, *, plain: bool) -> _Convert:
    def convert_all(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unlike(value, "dict")
        if plain:
            return value
        found = {}
        try:
            for name, item in value.items():
                found[name] = convert(item)
        except _Fault as fault:
            raise fault.below(name) from None
        return found

    return convert_all
