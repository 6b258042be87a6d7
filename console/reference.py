"""The reference pages in docs/reference/: made from the schemas and prices, so that they cannot say anything
else. And the tables of docs/scripts.md, which stand between marks in a page that people write."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurocaas.protocol import scripting

MADE = "<!-- Made by `invoke docs`: change its sources, not this page. -->"
FOLDER = Path("docs") / "reference"
SCRIPTS = "../scripts.md"
"""The page for script writers, as seen from there."""


def pages(root: Path) -> dict[str, str]:
    """File name -> text of every reference page of the project in `root`."""
    return {
        "blueprint.md": _blueprint(root),
        "groups.md": _schema_page(root / "blueprints" / "groups.schema.json", "`groups.yaml`"),
        "submission.md": _submission(root),
        "outputs.md": _outputs(root),
        "commands.md": _commands(root),
        **({SCRIPTS: _scripts(text)} if (text := _text(root / FOLDER / SCRIPTS)) is not None else {}),
    }


def write(root: Path) -> list[str]:
    """Write the pages that differ from what is there; their names."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    changed = outdated(root)
    for name in changed:
        (folder / name).write_text(pages(root)[name], encoding="utf-8")
    return changed


def outdated(root: Path) -> list[str]:
    """The pages whose sources have changed since they were made."""
    wanted = pages(root)
    return [name for name, text in wanted.items() if _text(root / FOLDER / name) != text]


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE, *(part.strip() for part in parts)]) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def _rows(
    schema: Mapping[str, Any], rule: Mapping[str, Any], above: str = "", *, members: bool = False
) -> Iterator[tuple[str, ...]]:
    """A row for each property, those of inner objects (and of the `members` of lists) behind theirs."""
    required = rule.get("required", ())
    for name, given in rule.get("properties", {}).items():
        one = _resolved(schema, given)
        path = f"{above}{name}"
        default = (
            "**required**"
            if name in required
            else f"`{json.dumps(one['default'])}`"
            if "default" in one
            else ""
        )
        yield (f"`{path}`", _type(schema, one), default, one.get("description", ""))
        if name != "stages":
            yield from _rows(schema, one, f"{path}.", members=members)
        if members and "items" in one:
            yield from _rows(schema, _resolved(schema, one["items"]), f"{path}[].", members=True)
        inner = one.get("additionalProperties")
        if isinstance(inner, dict):
            yield from _rows(schema, _resolved(schema, inner), f"{path}.*.", members=members)


def _resolved(schema: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    reference = rule.get("$ref")
    below = _resolved(schema, schema["$defs"][reference.rpartition("/")[2]]) if reference else {}
    return {**below, **{key: value for key, value in rule.items() if key != "$ref"}}


def _type(schema: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "const" in rule:
        return f"`{json.dumps(rule['const'])}`"
    if "enum" in rule:
        return ", ".join(f"`{one}`" for one in rule["enum"])
    if "anyOf" in rule:
        return " or ".join(_type(schema, _resolved(schema, one)) for one in rule["anyOf"])
    kind = rule.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    low, high = rule.get("minimum"), rule.get("maximum")
    if low is not None or high is not None:
        text += (
            f", {low} to {high}"
            if low is not None and high is not None
            else f", {low} or more"
            if high is None
            else f", up to {high}"
        )
    if kind == "array":
        text = f"list of {_type(schema, _resolved(schema, rule.get('items', {})))}"
    return text


def _schema_page(path: Path, title: str, *more: str) -> str:
    schema = _load(path)
    head = ("field", "type", "default", "meaning")
    return _page(title, schema["description"], _table(head, list(_rows(schema, schema))), *more)


def _blueprint(root: Path) -> str:
    types, machines, where, regions = _prices(_load(root / "blueprints" / "prices.json")["regions"])
    checked = (
        "Beside the schema, `invoke validate` and every deploy check that: the name is the folder's; the "
        "script and the provisioning "
        "scripts exist and are not empty; instance types have a price, and the default is one of the list; "
        "durations fit each other; "
        "the parent image is known and still gets updates; groups are not reserved; `parameters` is a JSON "
        "Schema of an object. "
        "The manager checks submissions against the same settings."
    )
    return _schema_page(
        root / "blueprints" / "schema.json", "`blueprint.yaml`", "## What else is checked", checked,
        "## Instance types", types, machines, "## Regions", where, regions,
    )  # fmt: skip


def _prices(regions: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What is said of types and of regions, and the two tables."""
    from blueprints.machine_kinds import architecture, kind
    from blueprints.prices import REGION

    def machine(name: str) -> tuple[str, ...]:
        found = kind(name)
        assert found is not None
        usd = regions[REGION]["usd_per_hour"].get(name)
        places = sum(name in entry["usd_per_hour"] for entry in regions.values())
        gpus = f"{found.gpus} of {found.gpu_gib:g} GiB" if found.gpus else ""
        facts = (f"{found.vcpu}", f"{found.gib:g}", gpus, architecture(name))
        return f"`{name}`", *facts, "" if usd is None else f"{usd:g}", f"{places}"

    names = sorted({name for entry in regions.values() for name in entry["usd_per_hour"]})
    rows = [
        (
            f"`{region}`",
            f"{len(entry['usd_per_hour'])}",
            f"{entry['gp3_gib_month']:g}",
            f"{entry['ipv4_hour']:g}",
            entry["date"],
            entry["source"],
        )
        for region, entry in sorted(regions.items())
    ]
    return (
        f"US dollars an hour, on demand, Linux, in {REGION}; `blueprints/prices.json` has those of all "
        "regions. `invoke prices` refreshes them and adds types and regions. A type without a price in the "
        "stack's region cannot be used: nobody could pay for its jobs. All types of an analysis have "
        "the same processors.",
        _table(
            ("type", "vCPU", "GiB", "GPUs", "processors", REGION, "regions"), [machine(one) for one in names]
        ),
        "What is known of each region: how many types, a GiB of disk (gp3) for a month, a public IPv4 "
        "address for an hour, since when and from where.",
        _table(("region", "types", "GiB of disk", "address", "date", "source"), rows),
    )


def _submission(root: Path) -> str:
    head = ("field", "type", "default", "meaning")
    parts: list[str] = []
    for name, title in (("submission", "Submission"), ("config", "Config")):
        schema = _load(root / "docs" / "schema" / f"{name}.json")
        parts += [f"## {title}", schema["description"], _table(head, list(_rows(schema, schema)))]
    return _page("Submission and config", *parts)


def _outputs(root: Path) -> str:
    parts: list[str] = [
        "Read them with `invoke outputs STACK --format json|env|github`. The JSON Schemas "
        "are in docs/schema/."
    ]
    for kind in ("utils", "analysis"):
        schema = _load(root / "docs" / "schema" / f"{kind}-outputs.json")
        rows = [(name, what) for name, what, _, _ in _rows(schema, schema)]
        parts += [f"## {kind}", schema["description"], _table(("output", "type"), rows)]
    return _page("Outputs of the stacks", *parts)


def _commands(root: Path) -> str:
    parts: list[str] = [
        "Each command that gives facts takes `--json`: one document on standard output, and nothing else "
        "there. What is said beside it (notes, progress) goes to standard error. The documents keep to these "
        "JSON Schemas (2020-12), `docs/schema/commands/COMMAND.json`; every field is there always, but for "
        "those that an option adds. Exit codes are the same as without: 0; 1: a job failed, was refused, or "
        "a rerun differs; 2: a mistake in what was asked; 130: interrupted."
    ]
    for file in sorted((root / "docs" / "schema" / "commands").glob("*.json")):
        schema = _load(file)
        parts += [f"## {file.stem}", schema["description"]]
        for rule in _documents(schema):
            rows = [(name, kind, text) for name, kind, _, text in _rows(schema, rule, members=True)]
            parts.append(_table(("field", "type", "meaning"), rows))
    return _page("Output of the commands", *parts)


def _documents(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects that a document is, or is a list of."""
    either = (_resolved(schema, one) for one in schema.get("anyOf", [schema]))
    rules = (_resolved(schema, one.get("items", one)) for one in either)
    return [one for one in rules if "properties" in one]


def _scripts(text: str) -> str:
    """The page with its tables made anew; all else stays as it is written."""
    variables = [(f"`{one.name}`", f"`{one.example}`", one.meaning) for one in scripting.VARIABLES]
    functions = [(f"`{one.call}`", one.meaning) for one in scripting.FUNCTIONS]
    for name, table in (
        ("variables", _table(("variable", "for instance", ""), variables)),
        ("functions", _table(("function", "does"), functions)),
    ):
        begin, end = f"<!-- made: {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"
    return text
