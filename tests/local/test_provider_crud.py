"""Every resource type through its whole life, as the engine drives it, against the emulator."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from localcloud.cloud import Cloud
from localcloud.pulumi.provider.codec import Unknown, contains_unknown
from localcloud.pulumi.provider.compare import reconcile
from localcloud.pulumi.provider.table import TABLE
from tests.local.provider_engine import Engine, Failed, Properties, Resource, provider
from tests.local.provider_scenarios import SCENARIOS, World, policy, trust

pytestmark = pytest.mark.local
DEFAULT_TAGS = {"Project": "provider-test"}


@pytest.fixture(scope="module")
def engine(emulator: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with provider(emulator, DEFAULT_TAGS, tmp_path_factory.mktemp("provider")) as engine:
        yield engine


@pytest.fixture
def world(engine: Engine) -> Iterator[World]:
    world = World(engine)
    yield world
    world.close()


def test_every_type_of_the_table_has_a_scenario() -> None:
    assert SCENARIOS.keys() == TABLE.keys()


@pytest.mark.parametrize("token", TABLE)
def test_life(token: str, engine: Engine, world: World) -> None:
    scenario = SCENARIOS[token]
    args = scenario.args(world)
    inputs = engine.check(token, "Subject", args)
    preview = engine.preview_create(token, "Subject", inputs)
    subject = engine.create(token, "Subject", args)
    try:
        _id_is_by_its_rule(subject)
        _preview_told_the_truth(preview, subject.outputs)
        assert subject.secrets == TABLE[token].schema.secrets & subject.outputs.keys()
        _refresh_is_clean(engine, subject)
        assert engine.diff(subject, engine.check(token, "Subject", args, subject.inputs, b"other" * 8)).unchanged
        subject = _changes_in_place(engine, world, subject, args)
        _replaces(engine, world, subject, args)
        _imports(engine, subject, args)
    finally:
        engine.delete(subject)
    if not scenario.stays:
        assert engine.read(subject) is None
    engine.delete(subject)  # gone already: success


def _id_is_by_its_rule(subject: Resource) -> None:
    rule = TABLE[subject.token].id
    if "*" in rule:
        assert fnmatch.fnmatchcase(subject.id, rule)
    else:
        assert subject.id == re.sub(r"\{(\w+)\}", lambda match: str(subject.outputs[match[1]]), rule)
    assert subject.outputs["id"] == subject.id


def _preview_told_the_truth(preview: Properties, outputs: Properties) -> None:
    """Whatever the preview knew came true, and whatever came out and was not asked for was announced as unknown."""
    wrong = {
        key: (value, outputs.get(key))
        for key, value in preview.items()
        if not contains_unknown(value) and not _agrees(value, outputs.get(key))
    }
    assert not wrong
    silent = {key: value for key, value in outputs.items() if key not in preview and key != "id" and value not in (0, False, "", [], {})}
    assert not silent


def _agrees(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` is ``expected`` with at most members added by AWS."""
    return bool(expected == actual or reconcile(expected, actual, extra=False) == expected)


def _refresh_is_clean(engine: Engine, subject: Resource) -> None:
    found = engine.read(subject)
    assert found is not None
    assert found.inputs == subject.inputs
    assert found.outputs == subject.outputs
    assert found.id == subject.id


def _changes_in_place(engine: Engine, world: World, subject: Resource, args: Properties) -> Resource:
    change = SCENARIOS[subject.token].change
    if change is None:
        return subject
    for new_args in (change(world, args), args):  # there, and back again
        news = engine.check(subject.token, subject.name, new_args, subject.inputs)
        plan = engine.diff(subject, news)
        assert not plan.unchanged
        assert plan.replaces == []
        preview = engine.preview_update(subject, news)
        subject = engine.update(subject, news)
        wrong = {key: (value, subject.outputs.get(key)) for key, value in preview.items()
                 if not isinstance(value, Unknown) and not _agrees(value, subject.outputs.get(key))}  # fmt: skip
        assert not wrong
        _refresh_is_clean(engine, subject)
    return subject


def _replaces(engine: Engine, world: World, subject: Resource, args: Properties) -> None:
    scenario = SCENARIOS[subject.token]
    if scenario.replace is None:
        return
    news = engine.check(subject.token, subject.name, scenario.replace(world, args), subject.inputs)
    plan = engine.diff(subject, news)
    assert scenario.trigger in plan.replaces
    assert plan.delete_first == scenario.delete_first


def _imports(engine: Engine, subject: Resource, args: Properties) -> None:
    scenario = SCENARIOS[subject.token]
    found = engine.import_(subject.token, subject.name, scenario.import_id(subject))
    assert found is not None
    missed = {key: (value, found.inputs.get(key)) for key, value in args.items()
              if key not in scenario.unreported and not _agrees(value, found.inputs.get(key))}  # fmt: skip
    assert not missed
    # what was imported is a valid program, and running that program changes nothing
    program = {key: value for key, value in found.inputs.items() if not key.startswith("__")}
    for key in scenario.unreported:
        if key in TABLE[subject.token].schema.required | {"code", "value"} and key in args:
            program.setdefault(key, args[key])
            found.inputs.setdefault(key, args[key])
    assert engine.diff(found, engine.check(subject.token, subject.name, program, found.inputs)).unchanged
