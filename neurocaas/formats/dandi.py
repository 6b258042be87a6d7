"""Datasets in the world, as a person names them, by address and digest as a submission does
(`neurocaas.protocol.addresses`).

`dandi://000003/0.230629.1955/sub-1/sub-1.nwb` (or `dandi://dandi/000003@0.230629.1955/…`) is asked of DANDI's
API, which tells a file's size, SHA-256 and place in its public bucket. It is asked from this computer; what
the service gets is the place and the digest, and it fetches no more than that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from neurocaas.errors import AnalysisError, UnreachableError
from neurocaas.layout import cell
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.addresses import (
    FORM,
    HTTPS,
    Address,
    admitted,
    escaped_path,
    is_address,
    parse_address,
)
from neurocaas.protocol.problems import shown

SCHEME = "dandi://"
API = "https://api.dandiarchive.org/api"
_ANSWER_MAX = 16 << 20
_NAME = re.compile(r"dandi://(?:dandi/)?([0-9]{6})(?:@|/)([0-9]+\.[0-9]+(?:\.[0-9]+)?|draft)/(.+)")
_FORM = "dandi://DANDISET/VERSION/PATH, such as dandi://000003/0.230629.1955/sub-1/sub-1.nwb"

Get = Callable[[str], Any]
"""Asks a URL and returns the JSON that it answers, None where there is nothing (404)."""


def resolved(
    keys: Sequence[str], hosts: Sequence[str], get: Get | None = None
) -> tuple[list[str], list[AnalysisError]]:
    """`keys` with those of DANDI as addresses, and what is wrong with those in the world. `hosts`: what the
    analysis admits."""
    done, errors = [], list[AnalysisError]()
    for key in keys:
        try:
            done.append(_resolved(key, hosts, get or ask))
        except UnreachableError:
            raise
        except AnalysisError as error:
            errors.append(error)
    return done, errors


def _resolved(key: str, hosts: Sequence[str], get: Get) -> str:
    if not key.startswith(SCHEME) and not is_address(key):
        return key
    if not hosts:
        raise AnalysisError(
            f"{cell(key)}, a file in the world",
            "data that is uploaded: this analysis takes no addresses",
            "download it, and name it with --data; or ask the analysis's developer for input_addresses",
        )
    if key.startswith(SCHEME):
        return _of_dandi(key, hosts, get)
    try:
        address = parse_address(key)
    except ValueError as error:
        do = "write its SHA-256 and its size behind the address, as its archive tells them"
        raise AnalysisError(f"{shown(key)}: {error}", FORM, do) from error
    if not admitted(hosts, address):
        raise AnalysisError(
            f"{cell(address.url)}",
            f"addresses below {', '.join(hosts)}",
            "download it, and name it with --data",
        )
    return address.dataname


def _of_dandi(key: str, hosts: Sequence[str], get: Get) -> str:
    found = _NAME.fullmatch(key)
    if found is None or found[3].endswith("/"):
        raise AnalysisError(f"{shown(key)}", _FORM, "name one file of one version")
    dandiset, version, path = found.groups()
    base = f"{API}/dandisets/{dandiset}/versions/{version}"
    listed = get(f"{base}/assets/?{urlencode({'path': path, 'page_size': 100})}")
    if listed is None:
        raise AnalysisError(
            f"no version {version} of dandiset {dandiset}",
            "a published version",
            "look at https://dandiarchive.org",
        )
    try:
        asset = next((one for one in listed["results"] if one["path"] == path), None)
        if asset is None:
            raise AnalysisError(
                f"no file {cell(path)} in {dandiset}/{version}", _FORM, _near(base, path, get)
            )
        facts = get(f"{base}/assets/{quote(str(asset['asset_id']), safe='')}/")
        address = _address(facts, path, hosts)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise AnalysisError(
            f"DANDI's answer about {cell(path)} cannot be read ({error!r})",
            "its size, its SHA-256 and its place",
            "download it, and name it with --data",
        ) from error
    if address is None:
        raise AnalysisError(
            f"{cell(path)} of {dandiset}/{version}, which has no SHA-256 yet or lies elsewhere",
            f"a file with a SHA-256 below {', '.join(hosts)}",
            "take a published version, or download it and name it with --data",
        )
    return address.dataname


def _address(facts: Any, path: str, hosts: Sequence[str]) -> Address | None:
    """Of an asset's metadata; None where it does not say what pins it, or lies where the analysis may not
    fetch it."""
    digest = facts.get("digest", {}).get("dandi:sha2-256")
    if not digest:
        return None
    name = path.rpartition("/")[2]
    for url in facts["contentUrl"]:
        place = urlsplit(str(url))
        made = Address(
            f"{HTTPS}{place.netloc}", escaped_path(place.path), str(digest), int(facts["contentSize"]), name
        )
        try:
            known = parse_address(made.dataname)
        except ValueError:
            continue
        if place.scheme == "https" and not place.query and admitted(hosts, known):
            return known
    return None


def _near(base: str, path: str, get: Get) -> str:
    """What may have been meant, among the files of its folder."""
    folder = path.rpartition("/")[0]
    listed = get(f"{base}/assets/?{urlencode({'path': folder, 'page_size': 100})}") or {"results": []}
    return did_you_mean(
        path, [str(one["path"]) for one in listed["results"]], "look at https://dandiarchive.org"
    )


def ask(url: str) -> Any:
    """The JSON at a URL of the API, None for 404. Raises UnreachableError where nobody answers."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "neurocaas"})
    host = urlsplit(url).netloc
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read(_ANSWER_MAX + 1)
        return json.loads(body[:_ANSWER_MAX])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise UnreachableError(
            f"{host} answers {error.code}", "an archive that answers", "try again later"
        ) from error
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"no answer of {host} ({error})",
            "a network that reaches the archive",
            "try again, or download the file",
        ) from error
