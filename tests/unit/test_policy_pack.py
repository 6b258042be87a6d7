"""The policy pack's mapping, without its package, and the language host that runs it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checks import analyzer
from checks.resource import UNKNOWN
from checks.rules import RULES
from localcloud.pulumi import plugins

BY_NAME = {rule.name: rule for rule in RULES}


class NotYet(Exception):
    """What the package raises for a value that is not known in a preview."""


class Wrapped(Mapping[str, Any]):
    """Its wrapper for properties."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        if self._values[key] is NotYet:
            raise NotYet
        return self._values[key]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def given(kind: str, name: str, props: dict[str, Any], **more: Any) -> SimpleNamespace:
    tags = {"neurocaas:project": "neurocaas", "neurocaas:stack": "utils"}
    provider = SimpleNamespace(urn="urn:aws", name="aws", props={"defaultTags": {"tags": tags}})
    return SimpleNamespace(
        **{
            "resource_type": kind,
            "name": name,
            "props": Wrapped(props),
            "urn": f"urn:{name}",
            "provider": provider,
            **more,
        }
    )


def test_a_resource_is_judged_by_the_rules_about_it_alone() -> None:
    said: list[str] = []
    validate = analyzer.of_resource(BY_NAME["topic-encrypted"], NotYet)
    validate(given("aws:sns/topic:Topic", "good", {"kmsMasterKeyId": "k"}), said.append)
    validate(given("aws:sns/topic:Topic", "not yet known", {"kmsMasterKeyId": NotYet}), said.append)
    validate(given("aws:sqs/queue:Queue", "another", {}), said.append)
    assert said == []
    validate(given("aws:sns/topic:Topic", "bad", {}), said.append)
    assert said == [
        "got a topic that is not encrypted; allowed: encrypted topics; give the topic `kms_master_key_id`"
    ]


def test_resources_are_judged_together() -> None:
    bucket = given("aws:s3/bucket:Bucket", "data", {"bucket": "data-1"})
    by_name = given(
        "aws:s3/bucketVersioning:BucketVersioning",
        "v",
        {"bucket": "data-1", "versioningConfiguration": {"status": "Enabled"}},
    )
    by_source = given(
        "aws:s3/bucketVersioning:BucketVersioning", "v",
        {"bucket": NotYet, "versioningConfiguration": {"status": "Enabled"}},
        property_dependencies={"bucket": [bucket]},
    )  # fmt: skip
    validate = analyzer.of_stack(BY_NAME["bucket-versioned"], NotYet)
    said: list[tuple[str, str]] = []
    for settings in (by_name, by_source):
        validate(SimpleNamespace(resources=[bucket, settings]), lambda text, urn: said.append((text, urn)))
    assert said == []
    validate(SimpleNamespace(resources=[bucket]), lambda text, urn: said.append((text, urn)))
    ((text, urn),) = said
    assert "keeps no old versions" in text
    assert urn == "urn:data"


def test_tags_are_those_of_the_provider() -> None:
    said: list[str] = []
    validate = analyzer.of_stack(BY_NAME["tagged"], NotYet)
    tagged, other = given("aws:sqs/queue:Queue", "q", {}), given("aws:sqs/queue:Queue", "r", {})
    other.provider = SimpleNamespace(urn="urn:other", name="other", props={})
    validate(SimpleNamespace(resources=[tagged, other]), lambda text, urn: said.append(urn))
    assert said == ["urn:r"]


def test_lists_and_what_is_in_them_are_unwrapped() -> None:
    found = analyzer.plain(Wrapped({"a": (1, Wrapped({"b": NotYet})), "c": "text"}), NotYet)
    assert found == {"a": [1, {"b": UNKNOWN}], "c": "text"}


class Context:
    """The engine's side of a call: what it runs when it closes the plugin."""

    def __init__(self) -> None:
        self.closed: list[Any] = []

    def add_callback(self, call: Any) -> None:
        self.closed.append(call)


@pytest.fixture
def plugin(tmp_path: Path) -> SimpleNamespace:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    info = SimpleNamespace(
        program_directory=str(tmp_path),
        root_directory=str(tmp_path),
        entry_point=".",
        options={"virtualenv": "venv"},
    )
    return SimpleNamespace(info=info, args=["127.0.0.1:1"], env=["WORD=hello=you"], pwd=str(tmp_path))


def test_a_plugin_is_run_with_its_own_python_and_what_it_says_is_passed_on(
    plugin: SimpleNamespace, tmp_path: Path
) -> None:
    program = (
        "import os, sys\nprint(4711)\nprint(os.environ['WORD'], sys.argv[1], file=sys.stderr)\nsys.exit(3)\n"
    )
    (tmp_path / "__main__.py").write_text(program)
    answers = list(plugins.run(plugin, Context()))
    assert answers[-1].exitcode == 3
    assert {answer.stdout for answer in answers} - {b""} == {b"4711\n"}
    assert {answer.stderr for answer in answers} - {b""} == {b"hello=you 127.0.0.1:1\n"}


def test_a_plugin_ends_when_the_engine_closes_it(plugin: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import time\nprint(1)\ntime.sleep(600)\n")
    context = Context()
    answers = plugins.run(plugin, context)
    assert next(answers).stdout == b"1\n"
    context.closed[0]()
    assert next(answers).exitcode == -signal.SIGTERM


def test_a_plugin_without_an_environment_is_one_clear_message(
    plugin: SimpleNamespace, tmp_path: Path
) -> None:
    plugin.info.options = {"virtualenv": "elsewhere"}
    said, ended = plugins.run(plugin, Context())
    assert b"allowed" in said.stderr or b"make one there" in said.stderr
    assert ended.exitcode == 1
