"""The file of settings, `config.toml`: profiles, and which of them is taken by default.

A profile says where a group's analyses are and by which way its owner signs in. Nothing in it is secret: what
a sign-in gives is in the cache (`neurocaas.tokens`), and keys stay in the AWS tools' own files.

```toml
schema_version = 1
default = "lab1"

[profiles.lab1]
way = "identity-center"
group = "lab1"
region = "us-east-1"
```
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from neurocaas.errors import AnalysisError, raise_all
from neurocaas.places import config_file, write_private
from neurocaas.protocol.names import GROUP_NAME

SCHEMA_VERSION = 1

WAYS = {
    "aws-profile": ("aws_profile",),
    "process": ("credential_process",),
    "identity-center": ("start_url", "sso_region", "account", "permission_set"),
    "openid": ("issuer", "client_id", "account"),
    "environment": (),
    "local": (),
}
"""How somebody comes to credentials, and what a profile has to say for it. A sign-in of a page of the
service's own (a user pool, say) is another provider of OpenID Connect, so it needs no way of its own."""

SETTINGS_MARK = "neurocaas1:"
"""What a profile begins with that an administrator sends as one word (`as_word`)."""

PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PATTERNS = {
    "group": (GROUP_NAME, "the name of a group"),
    "region": (re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"), "a region of AWS, such as us-east-1"),
    "sso_region": (re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"), "a region of AWS, such as us-east-1"),
    "account": (re.compile(r"[0-9]{12}"), "the 12 digits of an AWS account"),
}
_ADDRESSES = ("start_url", "issuer", "redirect_uri", "endpoint_url")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One way into one group, or several: `groups` are all that its owner is in, `group` the one that is
    meant where none is said. `as_is`: the credentials have the group's rights already, and its role is not
    taken. `endpoint_url`: of another cloud than AWS."""

    name: str = ""
    way: str
    region: str = ""
    group: str = ""
    groups: tuple[str, ...] = ()
    analysis: str = ""
    lead: bool = False
    as_is: bool = False
    account: str = ""
    partition: str = "aws"
    endpoint_url: str = ""
    aws_profile: str = ""
    credential_process: str = ""
    start_url: str = ""
    sso_region: str = ""
    permission_set: str = ""
    issuer: str = ""
    client_id: str = ""
    scopes: tuple[str, ...] = ("openid",)
    redirect_uri: str = ""
    cloud_file: str = ""

    @property
    def all_groups(self) -> tuple[str, ...]:
        """Its group first, each once."""
        return tuple(dict.fromkeys(one for one in (self.group, *self.groups) if one))


_FIELDS = {one.name: one for one in fields(Profile) if one.name != "name"}


@dataclass(frozen=True)
class Configuration:
    """What the file says. `default`: the name of a profile, "" when there is none."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    default: str = ""

    def profile(self, name: str = "") -> Profile | None:
        """By its name, or the default; None where there is none. Raises AnalysisError for a name that is not
        there."""
        name = name or self.default
        if not name:
            return None
        if name not in self.profiles:
            raise AnalysisError(
                f"no profile {name!r} in {config_file()}",
                ", ".join(sorted(self.profiles)) or "none is there yet",
                "correct the name, or make it: `neurocaas login --name NAME`",
            )
        return self.profiles[name]

    def with_profile(self, profile: Profile, *, default: bool = False) -> Configuration:
        """With this one, in the place of another of its name; the first one is the default."""
        chosen = profile.name if default or not self.default else self.default
        return replace(self, profiles={**self.profiles, profile.name: profile}, default=chosen)

    def without(self, name: str) -> Configuration:
        """Without a profile. When it was the default, the first of the others is it."""
        left = {key: one for key, one in self.profiles.items() if key != name}
        default = self.default if self.default != name else next(iter(left), "")
        return Configuration(left, default)


def load(path: Path | None = None) -> Configuration:
    """What is in the file; nothing when there is none. Raises AnalysisError with all that is wrong in it."""
    path = path or config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Configuration()
    except (OSError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{path} cannot be read: {error}", "a text file of yours", _AGAIN) from None
    document = _parsed(text, str(path))
    if document.get("schema_version") != SCHEMA_VERSION:
        got = f"{path}: schema_version {document.get('schema_version')!r}"
        raise AnalysisError(got, str(SCHEMA_VERSION), "use the `neurocaas` that wrote it, or log in again")
    given = document.get("profiles", {})
    given = given if isinstance(given, dict) else {}
    profiles, problems = dict[str, Profile](), list[AnalysisError]()
    for name, one in given.items():
        try:
            profiles[name] = profile_of(one, name, f"{path}: profiles.{name}")
        except AnalysisError as error:
            problems.extend(getattr(error, "errors", [error]))
    default = document.get("default", "")
    if default and default not in given:
        problems.append(
            AnalysisError(f"{path}: default = {default!r}", f"a profile: {', '.join(given)}", _AGAIN)
        )
    raise_all(problems)
    return Configuration(profiles, default)


def save(configuration: Configuration, path: Path | None = None) -> Path:
    """Write the file, for its owner only. Returns where it is."""
    path = path or config_file()
    lines = [f"schema_version = {SCHEMA_VERSION}", f"default = {_toml(configuration.default)}"]
    for name, profile in configuration.profiles.items():
        lines += ["", f"[profiles.{_toml(name) if '.' in name else name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in said(profile).items()]
    try:
        write_private(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise AnalysisError(
            f"{path} cannot be written: {error.strerror}",
            "a place in which you may write",
            "set NEUROCAAS_CONFIG_FILE to another file",
        ) from None
    return path


def said(profile: Profile) -> dict[str, Any]:
    """What the profile says that is not the default, as TOML and JSON have it."""
    found = {}
    for name, one in _FIELDS.items():
        value = getattr(profile, name)
        if one.default is MISSING or value != one.default:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def as_word(values: Mapping[str, Any]) -> str:
    """The values of a profile as one word that every shell takes as it is. It hides nothing, and has nothing
    to hide."""
    text = json.dumps({key: value for key, value in values.items() if value}, separators=(",", ":"))
    return SETTINGS_MARK + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def profile_of(given: Any, name: str, where: str) -> Profile:
    """A profile from what a file says. Raises AnalysisError with all that is wrong."""
    if not isinstance(given, Mapping):
        raise AnalysisError(f"{where}: {given!r}", "the settings of a profile", _AGAIN)
    problems = [*_misnamed(name, where), *_unfit(given, where)]
    way = given.get("way")
    if way not in WAYS:
        problems.append(AnalysisError(f"{where}: way = {way!r}", ", ".join(WAYS), _AGAIN))
    else:
        problems += [
            AnalysisError(f"{where}: no {one}", f"the way {way} needs {', '.join(WAYS[way])}", _AGAIN)
            for one in WAYS[way]
            if not given.get(one)
        ]
    raise_all(problems)
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    return Profile(name=name, **values)


_AGAIN = "correct it, or write it anew: `neurocaas login`"


def _misnamed(name: str, where: str) -> Iterable[AnalysisError]:
    if not PROFILE_NAME.fullmatch(name):
        yield AnalysisError(f"{where}: the name {name!r}", PROFILE_NAME.pattern, "choose another name")


def _unfit(given: Mapping[str, Any], where: str) -> Iterable[AnalysisError]:
    for key, value in given.items():
        known = _FIELDS.get(key)
        if known is None:
            yield AnalysisError(f"{where}: {key}", ", ".join(_FIELDS), _AGAIN)
            continue
        texts = value if isinstance(value, (list, tuple)) else [value]
        many = isinstance(known.default, tuple)
        kind = bool if isinstance(known.default, bool) else str
        if many != isinstance(value, (list, tuple)) or not all(isinstance(one, kind) for one in texts):
            allowed = "a list of texts" if many else "true or false" if kind is bool else "a text"
            yield AnalysisError(f"{where}: {key} = {value!r}", allowed, _AGAIN)
        elif key in _PATTERNS and value and not _PATTERNS[key][0].fullmatch(value):
            yield AnalysisError(f"{where}: {key} = {value!r}", _PATTERNS[key][1], _AGAIN)
        elif key in _ADDRESSES and value and not _safe(value):
            allowed = "https://…, or http:// on this computer"
            yield AnalysisError(f"{where}: {key} = {value!r}", allowed, _AGAIN)


def _safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (here and parts.scheme == "http"))


def _parsed(text: str, where: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):  # noqa: UP036  the package runs on Python 3.10, the project does not
        import tomllib  # novm: 3.10 has the other one
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AnalysisError(f"{where} is no TOML: {error}", "TOML", _AGAIN) from None


def _toml(value: Any) -> str:
    """A text, a list of texts, or true or false. TOML's basic strings are JSON's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
