"""The settings of an analysis, resolved for one stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from runtime.protocol.config import ConfigRules
from runtime.protocol.names import ANALYSIS_NAME
from runtime.protocol.outside import OutsideBucket

FILE = "blueprint.yaml"
UTILS = "utils"
"""Name of the stack that all analyses share."""


class Stage(StrEnum):
    """The closed list of stages of an analysis."""

    WEBDEV = "webdev"
    DEVELOP = "develop"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True)
class StackName:
    """A stack `<analysis>-<stage>`."""

    analysis: str
    stage: Stage

    def __str__(self) -> str:
        return f"{self.analysis}-{self.stage}"


def parse_stack_name(text: str) -> StackName:
    """Splits `<analysis>-<stage>` from the right, since analysis names contain hyphens. Raises ValueError."""
    analysis, _, stage = text.rpartition("-")
    if stage not in set(Stage) or not ANALYSIS_NAME.fullmatch(analysis):
        raise ValueError(
            f"stack {text!r} is neither '{UTILS}' nor '<analysis>-<stage>' with a stage of: "
            f"{', '.join(Stage)}"
        )
    return StackName(analysis, Stage(stage))


@dataclass(frozen=True, kw_only=True)
class InstanceSettings:
    """The machine that analyses one dataset. `types` is the allow-list of submissions and contains `type`;
    `fallback` are those of them that stand in for `type` while there is no capacity. `grow_memory`: whether a
    dataset that ran out of memory is run again on a larger one of `types`. `family`: the blueprint lists no
    types, so a deploy adds the other sizes of the type's family (`blueprints.prices`)."""

    type: str
    types: tuple[str, ...]
    fallback: tuple[str, ...]
    market: str
    zones: tuple[str, ...]
    volume_gib: int
    duration_minutes: int
    max_duration_minutes: int
    grow_memory: bool = False
    family: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The machine image. `amis` maps '<account>/<region>' to the image baked there."""

    parent: str
    amis: Mapping[str, str]
    required: bool = True

    def baked(self, account: str, region: str) -> str | None:
        """Id of the image baked in this account and region, or None."""
        return self.amis.get(f"{account}/{region}")


class Imaged(Protocol):
    """What an image is baked for: an analysis, or the project's base. `file`: its settings, relative to
    `root`, the project's folder.
    """

    @property
    def name(self) -> str: ...
    @property
    def root(self) -> Path: ...
    @property
    def folder(self) -> Path: ...
    @property
    def file(self) -> str: ...
    @property
    def image(self) -> ImageSettings: ...
    @property
    def volume_gib(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds: of one submission, of attempts for one dataset, of machines at a time (None: any
    number).
    """

    datasets: int
    dataset_size_gib: int
    ensemble_size: int
    attempts: int
    machines: int | None = None
    account_machines: int | None = None


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What a submission's data is."""

    folder: str
    ignore: tuple[str, ...]
    disk_factor: float


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """An analysis, resolved for one stage; every field is documented in `schema.json`.

    `root` is the project's folder, `folder` the blueprint's; `digest` is the SHA-256 of the resolved settings
    and does not depend on where the files lie.
    """

    name: str
    stage: Stage
    title: str
    description: str
    bucket: str
    script: str
    instance: InstanceSettings
    image: ImageSettings
    limits: Limits
    data: DataSettings
    groups: tuple[str, ...]
    outside_buckets: tuple[OutsideBucket, ...]
    budget_usd: float
    parameters: Mapping[str, Any] | None
    compare: Mapping[str, Mapping[str, Any]]
    results_required: tuple[str, ...]
    root: Path
    digest: str

    @property
    def folder(self) -> Path:
        return self.root / "blueprints" / self.name

    @property
    def file(self) -> str:
        return f"blueprints/{self.name}/{FILE}"

    @property
    def volume_gib(self) -> int:
        return self.instance.volume_gib

    @property
    def config_rules(self) -> ConfigRules:
        """What configurations of jobs are checked by."""
        return ConfigRules(
            duration_minutes=self.instance.duration_minutes,
            max_duration_minutes=self.instance.max_duration_minutes,
            max_dataset_size_gib=self.limits.dataset_size_gib,
            max_ensemble_size=self.limits.ensemble_size,
            parameters=self.parameters,
        )

    @property
    def stack(self) -> str:
        return f"{self.name}-{self.stage}"
