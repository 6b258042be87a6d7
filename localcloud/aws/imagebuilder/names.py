"""Names, versions and ARNs of Image Builder. Source: API reference, "Semantic version and ARNs"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localcloud.aws import hooks
from localcloud.aws.protocol.restjson import ServiceError

NAME = re.compile(r"[-_A-Za-z0-9][-_A-Za-z0-9 ]{1,126}[-_A-Za-z0-9]")
VERSION = re.compile(r"\d{1,10}\.(?:\d{1,10}\.(?:\d{1,10}|x)|x\.x)|x\.x\.x")
ARN = re.compile(
    r"arn:aws:imagebuilder:(?P<region>[^:]*):(?P<account>[^:]*):(?P<kind>[a-z-]+)"
    r"/(?P<name>[^/]+)(?:/(?P<version>[^/]+)(?:/(?P<build>\d+))?)?"
)


@dataclass(frozen=True)
class Reference:
    """A parsed ARN; ``version`` may hold ``x``, ``build`` may be missing."""

    region: str
    account: str
    kind: str
    name: str
    version: str | None
    build: int | None

    def covers(self, other: Reference) -> bool:
        """Whether a resource's own (complete) reference is one of those that this one stands for."""
        same = self.name == other.name and self.build in (None, other.build)
        return (
            same
            and self.version is not None
            and other.version is not None
            and fits(other.version, self.version)
        )


def invalid(parameter: str, why: str) -> ServiceError:
    """The refusal of one argument."""
    return ServiceError(
        "InvalidParameterValueException",
        f"The value supplied for parameter '{parameter}' is not valid. {why}",
    )


def parse(parameter: str, arn: str, *kinds: str) -> Reference:
    """An ARN of one of ``kinds``. Raises ServiceError."""
    match = ARN.fullmatch(arn)
    if not match or (kinds and match["kind"] not in kinds):
        raise invalid(
            parameter, f"'{arn}' is not the ARN of {' or '.join(kinds) or 'an Image Builder resource'}."
        )
    build = int(match["build"]) if match["build"] else None
    return Reference(match["region"], match["account"], match["kind"], match["name"], match["version"], build)


def arn(kind: str, name: str, version: str | None = None, build: int | None = None) -> str:
    """The ARN of a resource of the current account and region; the name is folded as the service folds it."""
    folded = re.sub(r"[ _]", "-", name.lower())
    tail = "".join(f"/{part}" for part in (version, build) if part is not None)
    return f"arn:aws:imagebuilder:{hooks.region()}:{hooks.account()}:{kind}/{folded}{tail}"


def check_name(name: str) -> None:
    """3 to 128 letters, digits, ``-``, ``_`` and inner spaces."""
    if not NAME.fullmatch(name):
        raise invalid(
            "name", f"'{name}' must have 3 to 128 characters: letters, digits, '-', '_', and spaces inside."
        )


def check_version(version: str) -> None:
    """``major.minor.patch``; ``x`` stands for the next number, from the right."""
    if not VERSION.fullmatch(version):
        raise ServiceError(
            "InvalidVersionNumberException",
            f"'{version}' is not a version. A version is major.minor.patch, each a number.",
        )


def ordered(version: str) -> tuple[int, ...]:
    """For comparing concrete versions."""
    return tuple(int(part) for part in version.split("."))


def fits(version: str, wanted: str) -> bool:
    """Whether a concrete version is one of a wanted one that may hold ``x``."""
    return all(w in ("x", v) for v, w in zip(version.split("."), wanted.split("."), strict=True))


def next_version(wanted: str, existing: list[str]) -> str:
    """The next free concrete version of one that holds ``x`` (``1.0.x`` after ``1.0.3`` is ``1.0.4``)."""
    if "x" not in wanted:
        return wanted
    parts = wanted.split(".")
    fitting = sorted((ordered(v) for v in existing if fits(v, wanted)), reverse=True)
    first = parts.index("x")
    if not fitting:
        fresh = [part if part != "x" else "0" for part in parts]
        return ".".join(fresh if fresh != ["0", "0", "0"] else ["0", "0", "1"])
    latest = list(fitting[0])
    latest[-1 if first == 2 else first] += 1
    latest[first + 1 :] = [0] * (2 - first)
    return ".".join(map(str, latest))
