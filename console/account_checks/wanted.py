"""What the project wants of an account: its blueprints, its groups, and the settings of its stacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints.groups import Directory
from blueprints.model import UTILS, Blueprint, Stage, parse_stack_name

STAGES = (Stage.WEBDEV, Stage.PROD)
"""The stages in which every analysis is counted: where it is developed, and where it is used."""
ROLES_OF_UTILS, PROFILES_OF_UTILS = 5, 2
"""What the stack `utils` makes, whatever the groups."""


@dataclass(frozen=True)
class Wanted:
    """`stack`: the only one that is meant, None for the whole project. `settings`: those of `utils`, without
    the project's name before them."""

    root: Path
    stack: str | None
    blueprints: tuple[Blueprint, ...]
    directory: Directory
    settings: dict[str, Any]

    @property
    def with_utils(self) -> bool:
        return self.stack in (None, UTILS)

    @property
    def roles(self) -> int:
        """IAM roles that the stacks make: a manager's and one for each group; `utils`' own and one for each
        group, and its leads, to take for a session."""
        own = ROLES_OF_UTILS + self._session_roles if self.with_utils else 0
        return own + sum(1 + len(_groups(one, self.directory)) for one in self.blueprints)

    @property
    def profiles(self) -> int:
        """IAM instance profiles: one for each group of each stack."""
        own = PROFILES_OF_UTILS if self.with_utils else 0
        return own + sum(len(_groups(one, self.directory)) for one in self.blueprints)

    @property
    def groups(self) -> int:
        """IAM groups: those of groups.yaml are `utils`', the others their stack's."""
        own = self._session_roles if self.with_utils else 0
        return own + sum(
            sum(group not in self.directory.groups for group in one.groups) for one in self.blueprints
        )

    @property
    def _session_roles(self) -> int:
        return sum(2 if group.leads else 1 for group in self.directory.groups.values())


def _groups(blueprint: Blueprint, directory: Directory) -> set[str]:
    return {*blueprint.groups, *directory.using(blueprint.name)}


def of_project(root: Path) -> Wanted:
    """All stacks of the project. Raises InvalidInput for blueprints with mistakes."""
    import blueprints

    return _wanted(root, None, [(name, stage) for name in blueprints.names(root) for stage in STAGES])


def of_stack(root: Path, stack: str) -> Wanted:
    """One stack. Raises InvalidInput for a blueprint with mistakes."""
    if stack == UTILS:
        return _wanted(root, stack, [])
    name = parse_stack_name(stack)
    return _wanted(root, stack, [(name.analysis, name.stage)])


def _wanted(root: Path, stack: str | None, which: Iterable[tuple[str, Stage]]) -> Wanted:
    import blueprints
    from blueprints import groups

    loaded = tuple(
        blueprints.load(name, stage, root, _settings(root, f"{name}-{stage}").get("overrides"))
        for name, stage in which
    )
    return Wanted(root, stack, loaded, groups.load(root), _settings(root, UTILS))


def region_of(root: Path, stack: str = UTILS) -> str:
    """The region of a stack by its settings, else by the project's; "" where neither says one."""
    own = _read(root / "stacks" / f"Pulumi.{stack}.yaml").get("aws:region")
    projects = _read(root / "Pulumi.yaml").get("aws:region") or {}
    return str(own or projects.get("value") or "")


def _settings(root: Path, stack: str) -> dict[str, Any]:
    found = _read(root / "stacks" / f"Pulumi.{stack}.yaml")
    return {name.partition(":")[2]: value for name, value in found.items() if name.startswith("neurocaas:")}


def _read(file: Path) -> dict[str, Any]:
    from neurocaas.protocol import yaml12

    if not file.is_file():
        return {}
    document: Any = yaml12.load(file.read_text(encoding="utf-8"), file.name)
    return dict((document or {}).get("config") or {})
