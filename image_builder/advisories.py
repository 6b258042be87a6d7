"""Known vulnerabilities of what is installed in an image: the build's own inventory (`manifest`) against the
advisories of OSV, which collects those of distributions and of package indexes.

The advisories of an *ecosystem* (`PyPI`, `Ubuntu:24.04:LTS`, `Debian:12`) are fetched as one archive
(OSV documentation, "Data dumps": `{address}/{ecosystem}/all.zip`, one JSON object of the OSV schema a file),
so that nobody is told which packages an image has. What is needed of it is kept in the user's cache, in
`advisories/{ecosystem}.json.gz`:

    {"schema_version": 1, "ecosystem": "Ubuntu:24.04:LTS", "fetched": "2026-11-30T04:00:00+00:00",
     "packages": {"openssl": [{"id": "CVE-2024-0001", "aliases": ["USN-1"], "severity": "high",
       "summary": "…", "ranges": [["0", "3.0.13-0ubuntu3.5"]], "versions": []}]}}

A range is from a version on, up to another one that is not in it (null: all later ones). A package of Ubuntu
is there by the names of its binary packages too, which are those of an inventory.

What can be said is bounded by this: conda's and rpm's packages have no advisories there; Debian's advisories
have the names of source packages only; and what nobody has published nobody finds.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from image_builder.debian_versions import compare
from image_builder.manifest import Manifest

ADDRESS = "https://osv-vulnerabilities.storage.googleapis.com"
FRESH = timedelta(days=1)
"""Younger ones are not fetched again."""

SEVERITIES = ("critical", "high", "medium", "low", "unknown")
_WORDS = {"moderate": "medium", "important": "high", "negligible": "low"}

_ARCHIVE_MAX = 2 << 30
_RECORD_MAX = 4 << 20
"""Bytes of an archive, and of one file in it: more is not read."""

_TIMEOUT = 60.0
_PIECE = 1 << 20

Open = Callable[[str], "contextlib.AbstractContextManager[IO[bytes]]"]
Version = str


class AdvisoriesError(Exception):
    """The advisories of an ecosystem cannot be had; the text says why."""


@dataclass(frozen=True)
class Advisory:
    """One for one package. `ranges`: pairs of versions, from the first up to the second, which is fixed
    (None: not yet). `versions`: those that are affected, where they are listed."""

    id: str
    aliases: tuple[str, ...]
    severity: str
    summary: str
    ranges: tuple[tuple[Version, Version | None], ...] = ()
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True)
class Vulnerability:
    """`kind` and `package` as in the inventory. `fixed`: the version in which it is no more, "" while there
    is none."""

    id: str
    kind: str
    package: str
    installed: str
    fixed: str
    severity: str
    summary: str


@dataclass(frozen=True)
class AdvisoryReport:
    """`as_of`: when the advisories of each ecosystem were fetched. `unchecked`: what of the inventory was
    compared with nothing, and why."""

    findings: tuple[Vulnerability, ...]
    as_of: Mapping[str, str]
    unchecked: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """By severity, the worst first."""
        found = {one: sum(finding.severity == one for finding in self.findings) for one in SEVERITIES}
        return {severity: count for severity, count in found.items() if count}

    def to_dict(self) -> dict[str, Any]:
        return {
            "as_of": dict(self.as_of),
            "counts": self.counts,
            "fixable": sum(bool(one.fixed) for one in self.findings),
            "unchecked": list(self.unchecked),
            "findings": [asdict(one) for one in self.findings],
        }


def ecosystem_of(manifest: Manifest) -> str | None:
    """OSV's name of the distribution (OSV schema, "Defined ecosystems"); None for one that it does not
    have."""
    said = manifest.tools.get("os", "")
    if found := re.match(r"Ubuntu (\d\d\.\d\d)", said):
        lts = int(found[1][:2]) % 2 == 0 and found[1].endswith(".04")
        return f"Ubuntu:{found[1]}{':LTS' if lts else ''}"
    found = re.match(r"Debian GNU/Linux (\d+)", said)
    return f"Debian:{found[1]}" if found else None


def ecosystems_of(manifest: Manifest) -> list[str]:
    """Those that an inventory is compared with."""
    python = any(kind.startswith("pip:") for kind in manifest.packages)
    system = ecosystem_of(manifest) if "dpkg" in manifest.packages else None
    return [one for one in ("PyPI" if python else None, system) if one]


def check(manifest: Manifest, folder: Path) -> AdvisoryReport:
    """Compare an inventory with the advisories in `folder`."""
    known: dict[str, tuple[str, dict[str, list[Advisory]]]] = {}
    unchecked, findings = [], list[Vulnerability]()
    for kind, packages in manifest.packages.items():
        ecosystem = "PyPI" if kind.startswith("pip:") else ecosystem_of(manifest) if kind == "dpkg" else None
        if ecosystem is None:
            unchecked.append(f"{kind} ({len(packages)} packages): there are no advisories for it")
            continue
        if ecosystem not in known:
            try:
                known[ecosystem] = read(ecosystem, folder)
            except AdvisoriesError as error:
                unchecked.append(f"{kind} ({len(packages)} packages): {error}")
                continue
        findings += _of_packages(kind, packages, known[ecosystem][1])
    findings.sort(key=lambda one: (SEVERITIES.index(one.severity), one.kind, one.package, one.id))
    return AdvisoryReport(
        tuple(findings), {name: fetched for name, (fetched, _) in known.items()}, tuple(unchecked)
    )


def _of_packages(
    kind: str, packages: Mapping[str, str], advisories: Mapping[str, list[Advisory]]
) -> Iterator[Vulnerability]:
    for package, installed in packages.items():
        seen = set[str]()
        name = _python_name(package) if kind != "dpkg" else package
        for one in advisories.get(name, ()):
            fixed = _affected(kind, installed, one)
            if fixed is None or not seen.isdisjoint({one.id, *one.aliases}):
                continue
            seen |= {one.id, *one.aliases}
            best = next((alias for alias in (one.id, *one.aliases) if alias.startswith("CVE-")), one.id)
            yield Vulnerability(best, kind, package, installed, fixed, one.severity, one.summary)


def _affected(kind: str, installed: str, advisory: Advisory) -> str | None:
    """The version in which it is mended ("": none yet); None when the installed one is not affected."""
    if kind != "dpkg":
        if _python_version(installed) not in map(_python_version, advisory.versions):
            return None
        return next((fixed for _, fixed in advisory.ranges if fixed), "")
    for since, fixed in advisory.ranges:
        if (since == "0" or compare(installed, since) >= 0) and (
            fixed is None or compare(installed, fixed) < 0
        ):
            return fixed or ""
    return None


def _python_name(name: str) -> str:
    """As the package index compares names (Python packaging user guide, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python_version(text: str) -> str:
    """Without what does not count: a local part, zeros at the end."""
    plain = text.lower().removeprefix("v").partition("+")[0]
    return re.sub(r"(\.0)+$", "", plain)


def file_of(ecosystem: str, folder: Path) -> Path:
    """Where the advisories of an ecosystem are kept."""
    return folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', ecosystem)}.json.gz"


def read(ecosystem: str, folder: Path) -> tuple[str, dict[str, list[Advisory]]]:
    """When they were fetched, and the advisories by package. Raises AdvisoriesError."""
    path = file_of(ecosystem, folder)
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        if stored["schema_version"] != 1:
            raise ValueError(stored["schema_version"])
        return str(stored["fetched"]), {
            name: [_advisory(one) for one in some] for name, some in stored["packages"].items()
        }
    except FileNotFoundError:
        why = f"the advisories of {ecosystem} were never fetched (`invoke images.advisories`)"
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        why = f"{path} cannot be read ({error}): `invoke images.advisories` fetches it anew"
    raise AdvisoriesError(why)


def _advisory(data: Mapping[str, Any]) -> Advisory:
    ranges = tuple((str(since), None if fixed is None else str(fixed)) for since, fixed in data["ranges"])
    rest = {name: str(data[name]) for name in ("id", "severity", "summary")}
    return Advisory(**rest, aliases=tuple(data["aliases"]), ranges=ranges, versions=tuple(data["versions"]))


def fetch(ecosystem: str, folder: Path, now: datetime, open_: Open | None = None) -> int:
    """Fetch the advisories of an ecosystem and keep them; how many there are. Raises AdvisoriesError when
    they cannot be had: those that were kept before stay."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as archive:
        _download(f"{ADDRESS}/{urllib.parse.quote(ecosystem.partition(':')[0])}/all.zip", archive, open_)
        try:
            packages = from_archive(archive, ecosystem)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise AdvisoriesError(f"what {ADDRESS} sent is no archive of advisories: {error}") from None
    keep(ecosystem, packages, folder, now)
    return sum(map(len, packages.values()))


def keep(ecosystem: str, packages: Mapping[str, list[Advisory]], folder: Path, now: datetime) -> None:
    """Write them down."""
    document = {
        "schema_version": 1,
        "ecosystem": ecosystem,
        "fetched": now.astimezone(UTC).isoformat(timespec="seconds"),
        "packages": {name: [asdict(one) for one in some] for name, some in sorted(packages.items())},
    }
    path = file_of(ecosystem, folder)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0))
    temporary.replace(path)


def stale(ecosystem: str, folder: Path, now: datetime) -> bool:
    """Whether they are missing or older than FRESH."""
    try:
        changed = datetime.fromtimestamp(file_of(ecosystem, folder).stat().st_mtime, UTC)
    except OSError:
        return True
    return now - changed > FRESH


def _download(address: str, into: IO[bytes], open_: Open | None) -> None:
    try:
        with (open_ or _open)(address) as answer:
            size = 0
            while piece := answer.read(_PIECE):
                size += len(piece)
                if size > _ARCHIVE_MAX:
                    raise AdvisoriesError(f"{address} is larger than {_ARCHIVE_MAX >> 30} GiB")
                into.write(piece)
    except (OSError, urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise AdvisoriesError(f"{address} cannot be reached: {reason}") from None
    into.seek(0)


def _open(address: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    opened: contextlib.AbstractContextManager[IO[bytes]] = urllib.request.urlopen(address, timeout=_TIMEOUT)
    return opened


def from_archive(archive: IO[bytes], ecosystem: str) -> dict[str, list[Advisory]]:
    """The advisories of an ecosystem, by package, of an archive of OSV's."""
    found: dict[str, list[Advisory]] = {}
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            if not member.filename.endswith(".json") or member.file_size > _RECORD_MAX:
                continue
            try:
                record = json.loads(members.read(member))
            except ValueError:
                continue
            for name, one in _of_record(record, ecosystem):
                found.setdefault(name, []).append(one)
    for some in found.values():  # those with a severity first: of two of one name the first is told
        some.sort(key=lambda one: (SEVERITIES.index(one.severity), one.id))
    return found


def _of_record(record: Any, ecosystem: str) -> Iterator[tuple[str, Advisory]]:
    """The packages that one record names, each with what is said of it (OSV schema)."""
    if not isinstance(record, dict) or record.get("withdrawn"):
        return
    for affected in _dicts(record.get("affected")):
        package = affected.get("package")
        if not isinstance(package, dict) or package.get("ecosystem") != ecosystem:
            continue
        specific = affected.get("ecosystem_specific")
        own = specific if isinstance(specific, dict) else {}
        one = Advisory(
            id=str(record.get("id", "")),
            aliases=tuple(sorted(_texts(record.get("aliases")) | _texts(record.get("upstream")))),
            severity=_severity(record, affected, own),
            summary=str(record.get("summary") or record.get("details") or "")[:200].split("\n")[0],
            ranges=tuple(_ranges(affected.get("ranges"))),
            versions=tuple(sorted(_texts(affected.get("versions")))) if ecosystem == "PyPI" else (),
        )
        name = str(package.get("name", ""))
        names = {_python_name(name)} if ecosystem == "PyPI" else {name, *_binaries(own)}
        for each in sorted(names):
            yield each, one


def _binaries(specific: Mapping[str, Any]) -> set[str]:
    """The binary packages that Ubuntu's records name."""
    listed = specific.get("binaries")
    named = {str(one.get("binary_name", "")) for one in _dicts(listed)}
    older = {name for one in _dicts(listed) if "binary_name" not in one for name in one}
    return {name for name in named | older if name}


def _ranges(listed: Any) -> Iterator[tuple[str, str | None]]:
    for one in _dicts(listed):
        if one.get("type") != "ECOSYSTEM":
            continue
        since: str | None = None
        for event in _dicts(one.get("events")):
            if "introduced" in event:
                since = str(event["introduced"])
            elif "fixed" in event and since is not None:
                yield since, str(event["fixed"])
                since = None
            elif "last_affected" in event:  # up to and with it: the list of versions tells them
                since = None
        if since is not None:
            yield since, None


def _severity(*places: Mapping[str, Any]) -> str:
    """In a word, where one of the places has one; vectors of CVSS are no words."""
    for place in places:
        database = place.get("database_specific")
        listed = [one.get("score") for one in _dicts(place.get("severity"))]
        said = [database.get("severity") if isinstance(database, dict) else None, *listed]
        for word in (*said, place.get("severity"), place.get("ubuntu_priority")):
            if isinstance(word, str) and _WORDS.get(word.lower(), word.lower()) in SEVERITIES:
                return _WORDS.get(word.lower(), word.lower())
    return "unknown"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()


def lines(report: Mapping[str, Any], most: int = 10) -> Iterable[str]:
    """A report (`AdvisoryReport.to_dict`) for a terminal."""
    findings = report["findings"]
    if report["as_of"]:
        oldest = min(report["as_of"].values())[:10]
        counts = ", ".join(f"{count} {severity}" for severity, count in report["counts"].items())
        yield (
            f"{len(findings)} known ({counts}), {report['fixable']} of them mended in a later version, as of "
            f"{oldest}"
            if findings
            else f"none known, as of {oldest}"
        )
    for one in findings[:most]:
        mended = f"mended in {one['fixed']}" if one["fixed"] else "not mended yet"
        yield f"{one['severity']}: {one['package']} {one['installed']} ({one['kind']}): {one['id']}, {mended}"
    if len(findings) > most:
        yield f"and {len(findings) - most} more (all of them: --json)"
    for why in report["unchecked"]:
        yield f"not checked: {why}"


def refresh(
    ecosystems: Iterable[str],
    folder: Path,
    now: datetime,
    say: Callable[[str], None],
    open_: Open | None = None,
) -> None:
    """Fetch what is stale, and say so; where it cannot be had, say what is used instead."""
    for ecosystem in ecosystems:
        if not stale(ecosystem, folder, now):
            continue
        try:
            count = fetch(ecosystem, folder, now, open_)
            say(f"{count} advisories of {ecosystem} fetched")
        except AdvisoriesError as error:
            with contextlib.suppress(AdvisoriesError):
                say(f"{error}; those of {read(ecosystem, folder)[0][:10]} are used")
                continue
            say(f"{error}; what is known of {ecosystem} cannot be told")
