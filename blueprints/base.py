"""The project's base image: what the images of analyses have in common, baked once. `image.parent: base`
stands an image on it.

`blueprints/base/` is laid out as an analysis: scripts in `provision/`, where the image comes from in
`bake.json`, and its settings, with the images that were baked, in `image.yaml`. `base` as a parent means the
very image that is recorded there for the account and region: another base image is another recipe of what
stands on it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from blueprints import schema
from blueprints.document import YamlDocument, parse
from blueprints.finding import BlueprintFinding, meant
from blueprints.machine_kinds import X86, architecture
from blueprints.merge import Layers
from blueprints.model import Imaged, ImageSettings
from blueprints.parents import BASE, LARGE, PARENTS, PARENTS_OF, RETIRED, ParentImage, parent_image
from neurocaas.protocol.problems import InvalidInput, Problem

FILE = "image.yaml"
_GIB, _ANALYSIS_GIB = 8, 16
SOURCE = f"blueprints/{BASE}/{FILE}"
BAKE = "invoke bake-ami --base"


@dataclass(frozen=True, kw_only=True)
class Base:
    """The settings of the base image. `root`: the project's folder; `instance_type`: of the machine that
    builds.
    """

    root: Path
    image: ImageSettings
    instance_type: str
    volume_gib: int
    name: str = BASE
    file: str = SOURCE

    @property
    def folder(self) -> Path:
        return self.root / "blueprints" / self.name

    @property
    def architecture(self) -> str:
        """Of the machine that builds, and so of the image."""
        return architecture(self.instance_type)


def exists(root: Path) -> bool:
    """Whether the project has a base image."""
    return (root / SOURCE).is_file()


def load(root: Path) -> Base:
    """The base image of the project in `root`. Raises InvalidInput with every problem found."""
    layers, problems = _resolve(root)
    if problems:
        raise InvalidInput(problems)
    image, instance = layers.data["image"], layers.data["instance"]
    return Base(
        root=root,
        image=ImageSettings(**image),
        instance_type=instance["type"],
        volume_gib=instance["volume_gib"],
    )


def load_problems(root: Path) -> list[BlueprintFinding]:
    """Every problem of the base image's settings."""
    return _resolve(root)[1]


def default_volume(parent: str, root: Path) -> int:
    """GiB of the root volume of an analysis whose blueprint says nothing, and whose `image.parent` is
    this."""
    if parent != BASE or not exists(root):
        return LARGE.get(parent, _ANALYSIS_GIB)
    layers, problems = _resolve(root)
    return _ANALYSIS_GIB if problems else max(_ANALYSIS_GIB, layers.data["instance"]["volume_gib"])


def _resolve(root: Path) -> tuple[Layers, list[BlueprintFinding]]:
    layers = Layers()
    try:
        document = parse((root / SOURCE).read_text(encoding="utf-8"), SOURCE)
    except (OSError, UnicodeDecodeError) as error:
        got = f"a file that cannot be read ({error})"
        return layers, [
            YamlDocument(SOURCE).finding(
                (), "file.unreadable", got, "the settings of the base image", f"Restore {SOURCE}"
            )
        ]
    problems = [*(document.problems or schema.check(document, part="base"))]
    if not problems:
        layers.add(YamlDocument("", schema.defaults("base")))
        layers.add(document)
        parent = layers.data["image"]["parent"]
        layers.data["instance"].setdefault("volume_gib", LARGE.get(parent, _GIB))
        problems += parent_findings(layers, PARENTS)
    return layers, problems


def parent_findings(layers: Layers, codes: Collection[str]) -> list[BlueprintFinding]:
    """What is wrong with `image.parent`, of which `codes` are allowed."""
    code, processors = layers.data["image"]["parent"], architecture(layers.data["instance"]["type"])
    try:
        parent_image(code, processors)
    except ValueError as error:
        codes = [one for one in codes if one not in PARENTS or one in PARENTS_OF[processors]]
        do = f"Write {RETIRED[code]}" if code in RETIRED else meant(code, codes, "Choose one of these")
        allowed = f"{', '.join(codes)}, an AMI id (ami-…), or a public parameter (ssm:/aws/service/…)"
        return [layers.finding(("image", "parent"), "image.parent", str(error), allowed, do)]
    return []


def parent_at(code: str, root: Path, account: str, region: str, processors: str = X86) -> ParentImage:
    """What `image.parent` stands for in an account and region, on machines of an architecture. Raises
    InvalidInput for `base` where no base image was baked, ValueError for a code that is not known."""
    if code != BASE:
        return parent_image(code, processors)
    baked = load(root).image.baked(account, region)
    if baked is None:
        got = f"{BASE!r}, of which no image was baked for account {account} in {region}"
        raise InvalidInput(
            [Problem("image.parent", got, f"a base image that is recorded in {SOURCE}", f"Bake it: `{BAKE}`")]
        )
    return ParentImage(ami=baked)


def parent_of(one: Imaged, account: str, region: str) -> ParentImage:
    """What an image starts from in an account and region. Raises InvalidInput as `parent_at`."""
    return parent_at(one.image.parent, one.root, account, region, one.architecture)
