"""pip: what was installed, in its versions and, where pip told them, with the digests of the files that it
took.

What came along must be named to get its version, and pip then notes that somebody asked for it (`REQUESTED`):
a line takes that back, as `apt-mark auto` does for apt.

Since 22.2 pip writes an installation report for whoever sets PIP_REPORT, as the recording shell does. A line
whose report has all that it installed becomes one that takes exactly these files (`--require-hashes`); other
lines keep their words, with versions.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from image_builder.bash.commands import Command, Word
from image_builder.bash.lines import Edits
from image_builder.bash.pip import arguments_of, options_of, package_words
from image_builder.recording.events import Event

_BASICS = frozenset({"pip", "setuptools", "wheel"})
"""What a new environment begins with."""


def digests(report: str, installed: Mapping[str, str]) -> dict[str, str]:
    """Name -> SHA-256 of the file it came from, by pip's report; empty unless the report is about all that
    was `installed`.

    `installed` is as in `Event.python`.
    """
    try:
        items = json.loads(report)["install"]
        taken = {
            (normal(item["metadata"]["name"]), item["metadata"]["version"]): item["download_info"]
            for item in items
        }
        found = {name: str(info["archive_info"]["hashes"]["sha256"]) for (name, _), info in taken.items()}
    except (ValueError, KeyError, TypeError):
        return {}
    return found if versions(installed).items() == taken.keys() else {}


def versions(installed: Mapping[str, str]) -> dict[str, str]:
    """Name -> version, of packages as they are in `Event.python`."""
    return {normal(key.rpartition("|")[2]): version for key, version in installed.items()}


def revisions(report: str) -> list[str]:
    """The commits of what pip took from git."""
    try:
        sources = [item["download_info"].get("vcs_info") for item in json.loads(report)["install"]]
        return [str(source["commit_id"]) for source in sources if source]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def archives(report: str) -> dict[str, str]:
    """Address -> SHA-256 of the archives that were named by their address."""
    try:
        items = [item for item in json.loads(report)["install"] if item.get("is_direct")]
        found = {
            str(item["download_info"]["url"]): item["download_info"].get("archive_info") or {}
            for item in items
        }
        return {
            url: str(info["hashes"]["sha256"])
            for url, info in found.items()
            if "sha256" in (info.get("hashes") or {})
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def pin(event: Event, commands: Sequence[Command], edits: Edits) -> None:
    """Change the commands of pip in a line into such that install what was installed."""
    installing = []
    for command in commands:
        arguments = arguments_of(command) or []
        verb = next((argument for argument in arguments if argument.value in ("install", "uninstall")), None)
        if verb is None:
            continue
        if verb.value == "install":
            installing.append(
                (command, verb, [argument for argument in arguments if argument.start > verb.start])
            )
        elif not {"-y", "--yes"} & {argument.value for argument in arguments}:
            edits.put(verb.end, verb.end, " --yes")
    named = [word for command, _, _ in installing for word in package_words(command)]
    _revise(named, event.revisions, edits)
    _digest(named, event.archives, edits)
    if not event.python or any("--require-hashes" in command.values for command, _, _ in installing):
        return
    if event.digests and len(installing) == 1 and _is_plain(*installing[0]):
        _with_digests(event, *installing[0][1:], edits)
    elif installing:
        _with_versions(event, installing, edits)


def _revise(words: list[Word], commits: list[str], edits: Edits) -> None:
    """Give what is installed from git its commit."""
    sources = [word for word in words if re.search(r"(^|@\s*)git\+", word.value)]
    if len(sources) == len(commits) == 1:
        found = re.fullmatch(
            r"(.*?git\+(?:[^/]*://[^/]*/)?[^@#'\"]*)(@[^#'\"]*)?(.*)", sources[0].raw, re.DOTALL
        )
        if found:
            edits.put(sources[0].start, sources[0].end, f"{found[1]}@{commits[0]}{found[3]}")
    elif any(not re.search(r"@[0-9a-f]{40}", word.value) for word in sources):
        edits.warnings.append(
            "what pip takes from git is not pinned; write the commit behind the address: git+https://…@COMMIT"
        )


def _digest(words: list[Word], known: Mapping[str, str], edits: Edits) -> None:
    """Give what is installed by its address the digest that it had."""
    for word in words:
        address, mark, fragment = word.value.rpartition("@ ")[2].strip().partition("#")
        if address in known and re.match(r"https?:", address) and "sha256=" not in fragment:
            edits.put(
                word.start,
                word.end,
                shlex.quote(f"{word.value}{'&' if mark else '#'}sha256={known[address]}"),
            )


def _is_plain(command: Command, verb: Word, after: list[Word]) -> bool:
    """Whether what follows the verb can be written anew: nothing is redirected in the middle of it."""
    return bool(after) and not any(
        verb.end < redirection.target.start < after[-1].start for redirection in command.redirections
    )


def _with_digests(event: Event, verb: Word, after: list[Word], edits: Edits) -> None:
    file = f"/tmp/recorded-{event.seq}.txt"  # noqa: S108 (Image Builder empties /tmp before the snapshot)
    pinned = versions(event.python)
    edits.before += [
        f"cat > {file} <<'END-{event.seq}'",
        *(f"{name}=={pinned[name]} --hash=sha256:{digest}" for name, digest in sorted(event.digests.items())),
        f"END-{event.seq}",
    ]
    options, listed = options_of(after)
    kept = " ".join(word.raw for word in options if word not in listed and word.value != "--no-deps")
    edits.put(verb.end, after[-1].end, f"{' ' + kept if kept else ''} --no-deps --require-hashes -r {file}")
    _unasked(event, set(event.digests), edits)


def _with_versions(event: Event, installing: list[tuple[Command, Word, list[Word]]], edits: Edits) -> None:
    pinned = versions(event.python)
    named: set[str] = set()
    for command, _, _ in installing:
        for argument in package_words(command):
            match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(?:[<>=!~].*)?", argument.value)
            if match and normal(match[1]) in pinned:
                named.add(normal(match[1]))
                edits.put(
                    argument.start,
                    argument.end,
                    shlex.quote(f"{match[1]}{match[2] or ''}=={pinned[normal(match[1])]}"),
                )
    others = [f"{name}=={version}" for name, version in sorted(pinned.items()) if name not in named]
    if others and len(installing) == 1:
        _, verb, after = installing[0]
        end = after[-1].end if after else verb.end
        edits.put(end, end, " \\\n    " + " ".join(shlex.quote(other) for other in others))
        _unasked(event, pinned.keys() - named, edits)
    elif others:
        shown = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        edits.warnings.append(
            f"several installations, and what came along ({shown}) is not pinned; give each a line of its own"
        )


def _unasked(event: Event, named: Collection[str], edits: Edits) -> None:
    """Take back that somebody asked for what only came along: of the packages `named` by the script, by their
    normal names.
    """
    sites: dict[str, list[str]] = {}
    for folder in event.along:
        site, _, own = folder.removesuffix(".dist-info").rpartition("/")
        if normal(own.partition("-")[0]) in named:
            sites.setdefault(site, []).append(own)
    for site, names in sites.items():
        quoted = ",".join(shlex.quote(name) for name in names)
        place = f"{shlex.quote(site)}/{f'{{{quoted}}}' if len(names) > 1 else quoted}.dist-info"
        edits.after += [
            f"rm --force -- {place}/REQUESTED",
            f"sed --in-place '/\\.dist-info\\/REQUESTED,/d' -- {place}/RECORD",
        ]


def is_unseen(event: Event, commands: Sequence[Command]) -> bool:
    """Whether Python packages were installed that no command of the line pins, such as by a pip inside a
    quoted script.
    """
    seen = any(arguments_of(command) is not None for command in commands)
    return bool(versions(event.python).keys() - _BASICS) and not (seen or event.apt or event.conda)


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
