"""The settings of an analysis, resolved for one stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from blueprints.machine_kinds import architecture
from neurocaas.protocol.names import ANALYSIS_NAME
from neurocaas.protocol.settings import AnalysisSettings, BlueprintValues

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
    def architecture(self) -> str: ...
    @property
    def volume_gib(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Blueprint(BlueprintValues):
    """An analysis, resolved for one stage; every field is documented in `schema.json`.

    `bucket` is "" where the blueprint does not say it: then the deploy does (`blueprints.bucket_names`).
    `root` is the project's folder, `folder` the blueprint's; `digest` is the SHA-256 of the resolved settings
    and does not depend on where the files lie.
    """

    name: str
    stage: Stage
    title: str
    description: str
    dataset_description: str
    dataset_example: str
    bucket: str
    script: str
    image: ImageSettings
    groups: tuple[str, ...]
    compare: Mapping[str, Mapping[str, Any]]
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
    def architecture(self) -> str:
        """Of the machines' processors, as EC2 calls it: all types of an analysis have the same."""
        return architecture(self.instance.type)

    @property
    def stack(self) -> str:
        return f"{self.name}-{self.stage}"

    def settings(self, **deployed: Any) -> AnalysisSettings:
        """What a manager goes by: the blueprint's values, and `deployed`, the fields of AnalysisSettings that
        no blueprint says."""
        values = {one.name: getattr(self, one.name) for one in fields(BlueprintValues)}
        return AnalysisSettings(
            **values,
            analysis=self.name,
            stage=self.stage.value,
            stack=self.stack,
            script=f"{self.name}/{self.script}",
            blueprint_digest=self.digest,
            **deployed,
        )
