"""Known vulnerabilities of an image's packages: OSV's archives, kept small, compared with the inventory."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from image_builder import advisories
from image_builder.advisories import AdvisoriesError, check, fetch, lines, refresh
from image_builder.manifest import Manifest

NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
UBUNTU = "Ubuntu:24.04:LTS"


def record(
    name: str, ecosystem: str, package: str, events: list[dict[str, str]], **more: Any
) -> dict[str, Any]:
    affected: dict[str, Any] = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        **{key: more.pop(key) for key in ("versions", "ecosystem_specific") if key in more},
    }
    return {"id": name, "summary": f"about {name}", "affected": [affected], **more}


RECORDS = [
    record(
        "UBUNTU-CVE-2024-1",
        UBUNTU,
        "openssl",
        [{"introduced": "0"}, {"fixed": "3.0.13-0ubuntu3.5"}],
        upstream=["CVE-2024-1"],
        severity=[{"type": "Ubuntu", "score": "high"}],
        ecosystem_specific={
            "binaries": [{"binary_name": "libssl3t64", "binary_version": "3.0.13-0ubuntu3.5"}]
        },
    ),
    record(
        "UBUNTU-CVE-2024-2",
        UBUNTU,
        "bash",
        [{"introduced": "0"}],
        severity=[{"type": "Ubuntu", "score": "negligible"}],
        ecosystem_specific={"binaries": [{"bash": "5.2"}]},
    ),
    record("UBUNTU-CVE-2024-3", "Ubuntu:22.04:LTS", "bash", [{"introduced": "0"}]),
    record("GONE-1", UBUNTU, "bash", [{"introduced": "0"}], withdrawn="2025-01-01T00:00:00Z"),
    record(
        "GHSA-xxxx",
        "PyPI",
        "Pillow",
        [{"introduced": "0"}, {"fixed": "10.2.0"}],
        versions=["10.0.0", "10.1.0"],
        aliases=["CVE-2023-9", "PYSEC-2023-9"],
        database_specific={"severity": "MODERATE"},
    ),
    record(
        "PYSEC-2023-9",
        "PyPI",
        "pillow",
        [{"introduced": "0"}, {"fixed": "10.2.0"}],
        versions=["10.0.0", "10.1.0"],
        aliases=["CVE-2023-9"],
    ),
]
INSTALLED = Manifest(
    packages={
        "dpkg": {"libssl3t64": "3.0.13-0ubuntu3.4", "bash": "5.2.21-2ubuntu4", "zlib1g": "1:1.3"},
        "pip:/opt/env": {"PILLOW": "10.1.0", "numpy": "1.26.0"},
        "conda:/opt/conda": {"mkl": "2024-1"},
    },
    tools={"os": "Ubuntu 24.04.3 LTS"},
)


def archive(records: list[dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as members:
        for one in records:
            members.writestr(f"{one['id']}.json", json.dumps(one))
        members.writestr("broken.json", "{")
        members.writestr("README", "no record")
    return made.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for ecosystem in (UBUNTU, "PyPI"):
        fetch(ecosystem, tmp_path, NOW, lambda address: io.BytesIO(archive(RECORDS)))
    return tmp_path


def test_an_inventory_is_compared_with_what_fits_its_distribution_and_versions(folder: Path) -> None:
    report = check(INSTALLED, folder)
    assert [(one.id, one.package, one.fixed, one.severity) for one in report.findings] == [
        ("CVE-2024-1", "libssl3t64", "3.0.13-0ubuntu3.5", "high"),
        ("CVE-2023-9", "PILLOW", "10.2.0", "medium"),
        ("UBUNTU-CVE-2024-2", "bash", "", "low"),
    ]
    assert report.counts == {"high": 1, "medium": 1, "low": 1}
    assert report.as_of == {UBUNTU: "2026-12-01T04:00:00+00:00", "PyPI": "2026-12-01T04:00:00+00:00"}
    assert report.unchecked == ("conda:/opt/conda (1 packages): there are no advisories for it",)
    told = list(lines(report.to_dict(), 1))
    assert (
        told[0] == "3 known (1 high, 1 medium, 1 low), 2 of them mended in a later version, as of 2026-12-01"
    )
    assert told[1].startswith("high: libssl3t64 3.0.13-0ubuntu3.4 (dpkg): CVE-2024-1, mended in")
    assert told[2] == "and 2 more (all of them: --json)"


def test_a_mended_version_has_none(folder: Path) -> None:
    mended = Manifest(
        {"dpkg": {"libssl3t64": "3.0.13-0ubuntu3.10"}, "pip:system": {"pillow": "10.2"}}, INSTALLED.tools
    )
    assert check(mended, folder).findings == ()
    assert next(iter(lines(check(mended, folder).to_dict()))) == "none known, as of 2026-12-01"


def test_what_was_never_fetched_is_said(tmp_path: Path) -> None:
    report = check(INSTALLED, tmp_path)
    assert report.findings == ()
    assert "dpkg (3 packages): the advisories of Ubuntu:24.04:LTS were never fetched" in report.unchecked[0]
    assert all(line.startswith("not checked") for line in lines(report.to_dict()))


def test_a_file_that_cannot_be_read_is_said(folder: Path) -> None:
    advisories.file_of("PyPI", folder).write_bytes(b"no gzip")
    assert any("cannot be read" in why for why in check(INSTALLED, folder).unchecked)


def unreachable(address: str) -> Any:
    raise OSError("no route")


def test_what_cannot_be_fetched_leaves_what_is_there(folder: Path) -> None:
    with pytest.raises(AdvisoriesError, match=r"cannot be reached: no route"):
        fetch(UBUNTU, folder, NOW, unreachable)
    said: list[str] = []
    refresh([UBUNTU, "Debian:12"], folder, NOW + timedelta(days=9999), said.append, unreachable)
    assert "no route; those of 2026-12-01 are used" in said[0]
    assert said[1].endswith("what is known of Debian:12 cannot be told")
    assert check(INSTALLED, folder).findings


def test_what_is_no_archive_changes_nothing(folder: Path) -> None:
    before = check(INSTALLED, folder)
    with pytest.raises(AdvisoriesError, match="no archive of advisories"):
        fetch(UBUNTU, folder, NOW, lambda address: io.BytesIO(b"<html>sign in first</html>"))
    assert check(INSTALLED, folder) == before


def test_young_ones_are_not_fetched_again(folder: Path) -> None:
    said: list[str] = []
    refresh([UBUNTU], folder, datetime.now(UTC), said.append, unreachable)
    assert said == []


def test_the_whole_ecosystem_is_asked_for_and_no_package_told(tmp_path: Path) -> None:
    asked: list[str] = []

    def opened(address: str) -> Any:
        asked.append(address)
        return io.BytesIO(archive(RECORDS))

    assert fetch(UBUNTU, tmp_path, NOW, opened) == 3  # openssl by two names
    assert asked == [f"{advisories.ADDRESS}/Ubuntu/all.zip"]


@pytest.mark.parametrize(
    ("said", "ecosystem"),
    [
        ("Ubuntu 22.04.5 LTS", "Ubuntu:22.04:LTS"),
        ("Ubuntu 23.10", "Ubuntu:23.10"),
        ("Debian GNU/Linux 12 (bookworm)", "Debian:12"),
        ("Amazon Linux 2023", None),
    ],
)
def test_distributions_have_osvs_names(said: str, ecosystem: str | None) -> None:
    assert advisories.ecosystem_of(Manifest(tools={"os": said})) == ecosystem
