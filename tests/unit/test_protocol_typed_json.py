"""The typed reader: what every document of the protocol has in common, with any values, whole or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurocaas.protocol.attempt import AttemptRequest
from neurocaas.protocol.chain import WHEN
from neurocaas.protocol.documents import DocumentError, dumps
from neurocaas.protocol.job import Job
from neurocaas.protocol.pins import Pin, pins_text, read_pins
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.settings import MARKETS, AnalysisSettings
from neurocaas.protocol.status import STATES, DatasetStatus
from neurocaas.protocol.stop import OUTCOMES, StopOrder
from neurocaas.protocol.typed_json import data_of, flat, read, stored
from neurocaas.protocol.waiting import RUNS
from runtime.manager.early import Early
from tests.unit.job_world import SETTINGS, World

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SCALARS = {str: TEXT, int: st.integers(), float: FLOATS, bool: st.booleans(), Any: JSON}
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "market": st.sampled_from(sorted(MARKETS)),
    "run": st.sampled_from(RUNS),
    "when": st.sampled_from(WHEN),
    "outcome": st.sampled_from(OUTCOMES),
    "schema_version": st.just(1),
    "start": st.just("2026-01-31T12:00:00.000Z"),
    **dict.fromkeys(("grow_memory", "family"), st.just(False)),  # not in the document
    **dict.fromkeys(("price", "besides_price"), st.floats(0, 1e6)),
    "end": st.none() | st.just("2026-02-01T12:00:00.000Z"),
}
"""Fields that not any value fits."""


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field of this type."""
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(
            hint, **{name: KNOWN[name] if name in KNOWN else values(one) for name, one in hints.items()}
        )
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(TEXT, values(arguments[1]), max_size=3)
    return st.one_of(*(st.none() if one is type(None) else values(one) for one in arguments))


def priced(settings: AnalysisSettings) -> AnalysisSettings:
    """With a price for each type that it names."""
    larger = [name for names in settings.oom_types.values() for name in names]
    types = [settings.instance.type, *settings.instance.types, *larger]
    return replace(settings, prices={**dict.fromkeys(types, 1.0), **settings.prices})


DOCUMENTS: dict[type, Callable[[Any], Any]] = {
    AnalysisSettings: AnalysisSettings.from_json,
    Job: Job.from_json,
    About: About.from_json,
    ComputeReport: ComputeReport.from_json,
    StopOrder: StopOrder.from_json,
    AttemptRequest: AttemptRequest.from_json,
    Early: Early.from_json,
}
every_document = pytest.mark.parametrize("cls", DOCUMENTS, ids=lambda cls: cls.__name__)


def text_of(document: Any) -> str:
    written: str = document.to_json() if hasattr(document, "to_json") else dumps(data_of(document))
    return written


def some(cls: type) -> st.SearchStrategy[Any]:
    return values(cls).map(priced) if cls is AnalysisSettings else values(cls)


@every_document
@settings(deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_again(cls: type, data: st.DataObject) -> None:
    document = data.draw(some(cls))
    assert DOCUMENTS[cls](text_of(document).encode()) == document


@settings(deadline=None)
@given(st.lists(values(Pin), max_size=3))
def test_pins_are_read_again(pins: list[Pin]) -> None:
    assert read_pins(pins_text(pins)) == pins


def damaged(value: Any, draw: Callable[..., Any]) -> Any:
    """`value` with one place of it, at any depth, removed or put another value in."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    places: list[Any] = sorted(value) if isinstance(value, dict) else list(range(len(value)))
    place = draw(st.sampled_from(places))
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    if draw(st.booleans()):
        changed[place] = damaged(value[place], draw)
    else:
        del changed[place]
    return changed


def a_job() -> Job:
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    return world.job()


SAMPLES = {
    AnalysisSettings: SETTINGS.to_json(),
    Job: a_job().to_json(),
    StopOrder: StopOrder(OUTCOMES[0], "why", "2026-01-31T12:00:00.000Z").to_json(),
    Early: dumps(data_of(Early(StopOrder(OUTCOMES[0], "why", "2026-01-31T12:00:00.000Z")))),
    DatasetStatus: DatasetStatus(STATES[0], stdout={"0": "x"}).to_json(),
    Pin: pins_text([Pin("lab/inputs/a", 1, "e", "v")]),
}
READERS = {**DOCUMENTS, DatasetStatus: DatasetStatus.from_json, Pin: read_pins}


@pytest.mark.parametrize("cls", READERS, ids=lambda cls: cls.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_document_is_refused_or_read_and_nothing_else(cls: type, data: st.DataObject) -> None:
    sample = SAMPLES.get(cls) or dumps(data_of(data.draw(some(cls))))
    changed = damaged(json.loads(sample), data.draw)
    cut = data.draw(st.none() | st.integers(0, len(sample)))
    for text in (json.dumps(changed), sample.encode()[:cut]):
        with nullcontext() if cls is AttemptRequest else suppress(DocumentError):
            READERS[cls](text)


@dataclass(frozen=True)
class Inner:
    size: float
    kind: str = field(default="a", metadata=stored("the-kind", among=("a", "b")))


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    many: tuple[Inner, ...]
    by: Mapping[str, Inner]
    maybe: int | None
    flag: bool = field(default=True, metadata=stored(added=True))
    anything: Mapping[str, Any] = field(default_factory=dict, metadata=stored(added=True))


INNER = {"size": 1, "the-kind": "b"}
WHOLE: dict[str, Any] = {"name": "n", "inner": INNER, "many": [INNER], "by": {"x": INNER}}


def test_hints_and_metadata_say_what_is_read() -> None:
    inner = Inner(1.0, "b")
    outer = read(Outer, {**WHOLE, "newer": 1}, "it")
    assert outer == Outer("n", inner, (inner,), {"x": inner}, None)
    assert isinstance(outer.inner.size, float)
    assert data_of(outer) == {
        "name": "n",
        "inner": INNER,
        "many": [INNER],
        "by": {"x": INNER},
        "maybe": None,
        "flag": True,
        "anything": {},
    }
    assert read(Outer, {**WHOLE, "flag": None, "anything": {"a": [1]}}, "it").anything == {"a": [1]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": None}, "it: 'name' is NoneType, not str"),
        ({"name": True}, "it: 'name' is bool, not str"),
        ({"maybe": False}, "it: 'maybe' is bool, not int"),
        ({"maybe": 1.0}, "it: 'maybe' is float, not int"),
        ({"flag": 1}, "it: 'flag' is int, not bool"),
        ({"inner": []}, "it: 'inner' is not an object"),
        ({"inner": {"size": 1}}, "it: 'inner' has no 'the-kind'"),
        ({"inner": {**INNER, "size": 10**400}}, "it: 'inner.size' is too large"),
        ({"inner": {**INNER, "the-kind": "c"}}, "it: 'inner.the-kind' is 'c', not one of a, b"),
        ({"many": {}}, "it: 'many' is dict, not list"),
        ({"many": [INNER, 1]}, "it: 'many.1' is not an object"),
        ({"by": []}, "it: 'by' is list, not dict"),
        ({"by": {"x": {**INNER, "size": "1"}}}, "it: 'by.x.size' is str, not float"),
    ],
)
def test_a_fault_is_told_with_its_place(change: Mapping[str, Any], says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(Outer, {**WHOLE, **change}, "it")
    assert str(refused.value) == says


@dataclass(frozen=True, kw_only=True)
class Bounds:
    pieces: int
    size: int | None = None
    here_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Flat:
    bounds: Bounds = field(metadata=flat({"pieces": "parts", "here_only": ""}, prefix="max_"))
    inner: Inner = field(default=Inner(2.0), metadata=flat())
    name: str


def test_a_flat_value_has_its_fields_in_the_object_of_its_owner() -> None:
    value = Flat(bounds=Bounds(pieces=3, size=1, here_only=True), inner=Inner(1.0, "b"), name="n")
    data = data_of(value)
    assert data == {"parts": 3, "max_size": 1, "size": 1.0, "the-kind": "b", "name": "n"}
    assert read(Flat, data, "it") == replace(value, bounds=Bounds(pieces=3, size=1))
    for name, says in (("parts", "it has no 'parts'"), ("the-kind", "it has no 'the-kind'")):
        with pytest.raises(DocumentError, match=f"^{says}$"):
            read(Flat, {key: one for key, one in data.items() if key != name}, "it")
    with pytest.raises(DocumentError, match=r"^it: 'max_size' is str, not int$"):
        read(Flat, {**data, "max_size": "1"}, "it")
    assert read(Flat, {**data, "max_size": None}, "it").bounds.size is None


def test_a_missing_field_is_named() -> None:
    for name in WHOLE:
        with pytest.raises(DocumentError, match=f"^it has no '{name}'$"):
            read(Outer, {key: value for key, value in WHOLE.items() if key != name}, "it")
    with pytest.raises(DocumentError, match=r"^it is not an object$"):
        read(Outer, [], "it")


@pytest.mark.parametrize("hint", ["set[str]", "tuple[str, int]", "str | int", "bytes"])
def test_a_type_that_json_does_not_have_is_a_fault_of_the_class(hint: str) -> None:
    @dataclass(frozen=True)
    class Odd:
        value: Any

    Odd.__annotations__["value"] = hint
    with pytest.raises(TypeError, match="no JSON value can be read as"):
        read(Odd, {"value": 1}, "it")


def test_documents_of_before_a_field_was_added_are_read() -> None:
    """Every field that may lack has a value then, and no document needs more than the first version had."""
    for cls, sample in SAMPLES.items():
        if cls in (Pin, DatasetStatus):
            continue
        whole = json.loads(sample)
        added = {one.name for one in fields(cls) if one.metadata == stored(added=True)}
        old = {name: value for name, value in whole.items() if name not in added}
        assert isinstance(READERS[cls](json.dumps(old)), cls)
