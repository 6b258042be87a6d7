"""The AWS library that goes with the machines' code: boto3 of the running environment, without the services
that no machine calls.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

DISTRIBUTIONS = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")
_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")

SERVICES = frozenset({"s3", "sts", "ssm"})
"""Services whose models stay in botocore/data; the rest is 95 % of its size."""

_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyi", ".so"})
# not docs: botocore.waiter imports botocore.docs
_SKIPPED = frozenset({"__pycache__", "tests", "examples", "zoneinfo"})


def versions() -> tuple[str, ...]:
    """`name==version` of every vendored distribution: what decides the content, without reading it."""
    return tuple(f"{name}=={importlib.metadata.version(name)}" for name in DISTRIBUTIONS)


def files() -> Iterator[tuple[str, Path]]:
    """(path below vendor/, file) of every vendored file."""
    for package in _PACKAGES:
        for name, path in _package(package):
            if _wanted(package, tuple(name.split("/")[1:])):
                yield name, path


def yaml_files() -> Iterator[tuple[str, Path]]:
    """PyYAML without its compiled part, which would be of this machine and not of Lambda's."""
    return ((name, path) for name, path in _package("yaml") if path.suffix == ".py")


def _package(package: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {package} is not installed here; run `invoke setup`")
    origin = Path(spec.origin)
    if origin.name != "__init__.py":
        yield origin.name, origin
        return
    for path in sorted(origin.parent.rglob("*")):
        inner = path.relative_to(origin.parent).parts
        if path.is_file() and path.suffix not in _SKIPPED_SUFFIXES and not _SKIPPED.intersection(inner):
            yield "/".join((package, *inner)), path


def _wanted(package: str, inner: tuple[str, ...]) -> bool:
    """boto3/data holds resource models, botocore/data service models; files at the top of data/ concern all
    services.
    """
    if package not in ("boto3", "botocore") or inner[:1] != ("data",) or len(inner) == 2:
        return True
    return inner[1] in SERVICES
