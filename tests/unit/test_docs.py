"""The docs cannot rot: reference pages say what their sources say, every command in them exists with its
flags, the site builds.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console import reference
from localcloud.tests.properties import examples
from neurocaas.cli import application
from neurocaas.protocol.names import check_timestamp
from neurocaas.protocol.submission import FIELDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "neurocaas" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "blueprints").glob("*/README.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
COMMAND = re.compile(r"(?<![\w./-])invoke ((?:--[a-z]|[a-z])[^`\n|;&)#]*)")
ANALYSTS_COMMAND = re.compile(r"(?:^|(?<=`))neurocaas ((?:--[a-z]|[a-z])[^`\n|;&)#]*)", re.MULTILINE)
PARSE = """
import json, sys
from invoke.parser import Parser, ParserContext
from invoke.program import Program
import tasks
commands = json.load(sys.stdin)
names = tasks.namespace.task_names
wrong = []
for page, words in commands:
    if len(words) == 1 and words[0] in names:
        continue  # the task's name alone, in a sentence
    contexts = [  # a parser writes into them
        ParserContext(name=name, aliases=names[name], args=tasks.namespace[name].get_arguments(ignore_unknown_help=True))
        for name in names if {name, *names[name]} & set(words)
    ]
    try:
        Parser(contexts=contexts, initial=Program().initial_context).parse_argv(words)
    except Exception as error:
        wrong.append(f"{page}: invoke {' '.join(words)}: {error}")
print(json.dumps(wrong))
"""  # noqa: E501


def commands(written: re.Pattern[str] = COMMAND) -> list[tuple[str, list[str]]]:
    """(page, words after the program's name) of all that is typed in the pages."""
    found = []
    for page in PAGES:
        for match in written.finditer(page.read_text()):
            text = match[1].split(" -> ")[0].strip().rstrip(".,:\"']")
            words = shlex.split(text.replace("\\|", " "), posix=True)
            if words and not words[0].startswith("--") and not words[0].isupper():
                found.append(
                    (str(page.relative_to(ROOT)), [word for word in words if word not in ("…", "...")])
                )
    return found


def test_every_command_in_the_docs_exists_with_its_flags() -> None:
    """Parsed by invoke's own parser, so that a flag, an argument or a task that is gone is found."""
    every = commands()
    assert len(every) > 40
    assert {"validate", "configure", "deploy", "promote", "submit"} <= {words[0] for _, words in every}
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(every),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


def test_the_check_finds_what_is_not_there() -> None:
    bad = [("page", ["deploy", "utils", "--nonesuch"]), ("page", ["nonesuch"]), ("page", ["promote", "one"])]
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(bad),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)) == 3


def unknown(page: str, words: list[str]) -> list[str]:
    """What click's own parser says against `neurocaas WORDS`; the name of a command alone is a mention."""
    group = application()
    if len(words) == 1 and words[0] in group.commands:
        return []
    try:
        with group.make_context("neurocaas", list(words)) as context:
            name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
            assert name
            assert command
            command.make_context(name, rest, parent=context)
    except click.exceptions.Exit:  # --help, --version
        return []
    except click.ClickException as error:
        return [f"{page}: neurocaas {' '.join(words)}: {error.format_message()}"]
    return []


def test_every_command_of_analysts_in_the_docs_exists_with_its_flags() -> None:
    every = commands(ANALYSTS_COMMAND)
    assert {"submit", "jobs", "results"} <= {words[0] for _, words in every}
    assert [text for page, words in every for text in unknown(page, words)] == []


@pytest.mark.parametrize(
    "words", ["nonesuch", "jobs --nonesuch", "follow --timeout 3", "jobs --limit many", "--nonesuch"]
)
def test_a_command_of_analysts_that_is_not_there_is_found(words: str) -> None:
    assert unknown("page", words.split())


def test_every_method_of_the_console_in_the_docs_exists() -> None:
    from image_builder.develop_blueprint import NeuroCaaSAMI

    used = {name for page in PAGES for name in re.findall(r"\bdevami\.([a-z_]+)\(", page.read_text())}
    assert used
    assert [name for name in sorted(used) if not callable(getattr(NeuroCaaSAMI, name, None))] == []


def test_the_reference_pages_say_what_their_sources_say() -> None:
    assert reference.outdated(ROOT) == [], "make them anew: invoke docs"


def test_a_changed_schema_makes_its_page_outdated(tmp_path: Path) -> None:
    for path in ("blueprints/schema.json", "blueprints/groups.schema.json", "blueprints/prices.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    (tmp_path / "docs" / "schema").mkdir(parents=True)
    for file in (ROOT / "docs" / "schema").rglob("*.json"):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(file.read_text())
    assert reference.write(tmp_path) == list(reference.pages(tmp_path))
    assert reference.outdated(tmp_path) == []
    schema = tmp_path / "blueprints" / "schema.json"
    schema.write_text(schema.read_text().replace("One line for people.", "Another line."))
    assert reference.outdated(tmp_path) == ["blueprint.md"]


def test_every_field_of_a_schema_is_described_on_its_page() -> None:
    for page, text in reference.pages(ROOT).items():
        empty = [
            line for line in text.splitlines() if line.startswith("| `") and line.rstrip(" |").count("|") < 2
        ]
        assert empty == [], page


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "developers.html").is_file()


SUBMISSION = json.loads((ROOT / "docs" / "schema" / "submission.json").read_text())


def test_the_schema_of_a_submission_has_the_fields_of_the_parser() -> None:
    jsonschema.Draft202012Validator.check_schema(SUBMISSION)
    assert set(SUBMISSION["properties"]) == FIELDS


@settings(max_examples=examples(200), deadline=None)
@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(allow_nan=False),
        st.text(alphabet="ab0.:_-/ é", max_size=70),
        st.from_regex(r"[A-Za-z0-9]{60,70}"),
    )
)
def test_the_schema_and_the_parser_agree_on_timestamps(value: object) -> None:
    rule = jsonschema.Draft202012Validator(SUBMISSION["properties"]["timestamp"])
    # JSON Schema's own pattern lets a final newline through; the parser does not.
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and value.endswith("\n")):
        return
    assert rule.is_valid(value) == (not check_timestamp(value))


@pytest.mark.parametrize("name", ["submission", "config"])
def test_the_examples_of_every_blueprint_follow_the_schemas(name: str) -> None:
    schema = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text())
    for file in (ROOT / "blueprints").glob(f"*/tests/{'submit' if name == 'submission' else name}.json"):
        jsonschema.validate(json.loads(file.read_text()), schema)
