"""The commands by which somebody signs in: which profiles there are, and who one is with each."""

from __future__ import annotations

import base64
import binascii
import json as json_format
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocaas import access, configuration, sign_in
from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, as_json, note, say
from neurocaas.configuration import SETTINGS_MARK, WAYS, Configuration, Profile
from neurocaas.errors import AnalysisError
from neurocaas.protocol.units import money

if TYPE_CHECKING:
    from neurocaas.standing import Standing

_OPTIONS = {
    "name": "Name of the profile. Default: the group's.",
    "settings": (
        "What your administrator has sent: the text itself, a file with it, or its https address. It is no "
        "secret."
    ),
    "group": "Your group; the first one that is meant when you are in several.",
    "region": "Region of the service.",
    "account": "Number of the AWS account of the service.",
    "analysis": "The analysis that is meant where none is said.",
    "aws-profile": "Way in: a profile of ~/.aws/config, of any kind.",
    "credential-process": "Way in: a command that prints credentials, as for the AWS tools.",
    "start-url": "Way in: the page of IAM Identity Center. With --sso-region, --account, --permission-set.",
    "sso-region": "Region of Identity Center.",
    "permission-set": "Your permission set in the account.",
    "issuer": "Way in: address of a provider of OpenID Connect. With --client-id and --account.",
    "client-id": "The id of this program at the provider.",
    "environment": "Way in: what the shell says (AWS_PROFILE, AWS_ACCESS_KEY_ID, …), whenever it is used.",
    "local": "Way in: the local cloud of the project in this folder.",
    "lead": "Take the role of the group's leads.",
    "as-is": "The credentials have the group's rights themselves; its role is not taken.",
    "device": "Sign in on a page that may be opened on another computer.",
    "no-browser": "Only print the address of the page.",
    "no-check": "Write the profile without asking the service whether it works.",
    "default": "Make it the default profile; the first one is.",
    "list": "List the profiles, as `neurocaas profiles`.",
}
_WAY_OF = {
    "aws_profile": "aws-profile",
    "credential_process": "process",
    "start_url": "identity-center",
    "issuer": "openid",
}


@command(help={**_OPTIONS, **JSON})
def login(
    name: str = "",
    settings: str = "",
    group: str = "",
    region: str = "",
    account: str = "",
    analysis: str = "",
    aws_profile: str = "",
    credential_process: str = "",
    start_url: str = "",
    sso_region: str = "",
    permission_set: str = "",
    issuer: str = "",
    client_id: str = "",
    environment: bool = False,
    local: bool = False,
    lead: bool = False,
    as_is: bool = False,
    device: bool = False,
    no_browser: bool = False,
    no_check: bool = False,
    default: bool = False,
    list: bool = False,  # noqa: A002  the name of the option
    json: bool = False,
) -> None:
    """Sign in, keep the settings as a profile, and see who you are.

    Without options, the default profile signs in again; when there is none, what is needed is asked. Nothing
    secret is kept in the profile. A wrong setting changes nothing that was there.
    """
    if list:
        _list(json)
        return
    known = configuration.load()
    texts = {
        "group": group,
        "region": region,
        "account": account,
        "analysis": analysis,
        "aws_profile": aws_profile,
        "credential_process": credential_process,
        "start_url": start_url,
        "sso_region": sso_region,
        "permission_set": permission_set,
        "issuer": issuer,
        "client_id": client_id,
    }
    given: dict[str, Any] = {key: value for key, value in texts.items() if value}
    given |= {key: True for key, value in (("lead", lead), ("as_is", as_is)) if value}
    ways = [way for key, way in _WAY_OF.items() if key in given]
    ways += [way for way, value in (("environment", environment), ("local", local)) if value]
    profile = _wanted(known, name or os.environ.get(access.PROFILE, ""), settings, ways, given)
    _sign_in(profile, device=device, browser=not no_browser)
    access.forget()
    seen = None
    if not no_check:
        profile, seen = _checked(profile)
    path = configuration.save(known.with_profile(profile, default=default))
    if json:
        say(
            as_json(
                {"schema_version": 1, "profile": profile.name, "file": str(path), "checked": seen is not None}
            )
        )
        return
    if seen:
        _say_who(seen)
    say(f"profile {profile.name} is in {path}")
    say("next: `neurocaas analyses` lists what the group may use")


@command(
    help={"name": "Name of the profile. Default: the default profile.", "forget": "Remove the profile too."}
)
def logout(name: str = "", forget: bool = False) -> None:
    """Delete what a sign-in has given. The profile stays, for the next `neurocaas login`."""
    known = configuration.load()
    profile = known.profile(name or os.environ.get(access.PROFILE, ""))
    if profile is None:
        raise AnalysisError("no profile", "one of `neurocaas profiles`", "there is nothing to sign out of")
    place = _kept(profile)
    gone = place.remove() if place else False
    access.forget()
    if forget:
        configuration.save(known.without(profile.name))
    say(f"profile {profile.name}: {'signed out' if gone else 'nothing of a sign-in is kept here'}")
    if forget:
        say(f"profile {profile.name} is removed")
    elif place is None:
        note(
            f"its credentials are not kept by neurocaas (way in: {profile.way}); --forget removes the profile"
        )


@command(help=JSON)
def profiles(json: bool = False) -> None:
    """List the profiles: name, group, region, way in. The default has a star."""
    _list(json)


@command(
    help={
        "group": "The group as whose member. Default: $NEUROCAAS_GROUP, or your profile's.",
        "no-budgets": "Leave out what is left of the budgets.",
        **JSON,
    }
)
def whoami(group: str = "", no_budgets: bool = False, json: bool = False) -> None:
    """Say who you are for the service: person, groups, role, until when, and what is left of the budgets."""
    from neurocaas.standing import standing

    profile = access.profile_in_use()
    seen = standing(profile, group or access.defaults().group, budgets=not no_budgets)
    if json:
        say(as_json({"schema_version": 1, **asdict(seen)}))
        return
    _say_who(seen)
    for one in seen.budgets:
        left = "not known" if one.usd is None else money(one.usd)
        say(f"  left for {one.analysis}: {left} ({one.source})")


COMMANDS = (login, logout, profiles, whoami)


def _say_who(seen: Standing) -> None:
    of = f", of the group {seen.group}" if seen.group else ""
    say(f"you are {seen.person}{of} in the account {seen.account} ({seen.region})")
    say(f"  credentials: {seen.source}{f', profile {seen.profile}' if seen.profile else ''}")
    if seen.role:
        say(f"  role: {seen.role}{_until(seen)}")
    others = [f"{one}{'' if reached else ' (refused)'}" for one, reached in seen.groups.items()]
    if len(others) > 1:
        say(f"  groups: {', '.join(others)}")
    say(f"  analyses: {', '.join(seen.analyses) or 'none is in the index of the group'}")


def _until(seen: Standing) -> str:
    from datetime import datetime

    if not seen.expires:
        return ""
    end = datetime.fromisoformat(seen.expires).astimezone()
    return f", until {end:%Y-%m-%d %H:%M}{', then renewed' if seen.renewed else ''}"


def _list(json: bool) -> None:
    from neurocaas.layout import table

    known = configuration.load()
    if json:
        listed = [{"name": name, **configuration.said(one)} for name, one in known.profiles.items()]
        say(as_json({"schema_version": 1, "default": known.default, "profiles": listed}))
        return
    rows = [
        (f"{name}{'*' if name == known.default else ''}", one.group, one.region, one.way)
        for name, one in known.profiles.items()
    ]
    if not rows:
        note("no profile yet: `neurocaas login`")
        return
    for line in table(("profile", "group", "region", "way in"), rows):
        say(line)


def _kept(profile: Profile) -> Any:
    """Where what a sign-in has given is; None for a way that keeps nothing."""
    from neurocaas import identity_center, openid

    made: dict[str, Callable[[Profile], Any]] = {
        "identity-center": identity_center.kept,
        "openid": openid.kept,
    }
    return made[profile.way](profile) if profile.way in made else None


def _wanted(
    known: Configuration, name: str, settings: str, ways: Sequence[str], given: dict[str, Any]
) -> Profile:
    """The profile that was asked for: by a way in, by settings, anew by its name, or by answers. What is
    `given` with an option wins over all of them."""
    told = _told(settings) if settings else {}
    if len({*ways, *([told["way"]] if told else [])}) > 1:
        raise AnalysisError(
            f"several ways in: {', '.join([*ways, *(['--settings'] if settings else [])])}",
            "one for a profile",
            "leave the others out, or make a profile for each: --name NAME",
        )
    if not (ways or told):
        there = known.profiles.get(name) if name else known.profile()
        told = configuration.said(there) if there else _asked()
        name = name or (there.name if there else "")
    if ways:
        told["way"] = ways[0]
    if "local" in ways:
        told["cloud_file"] = str(_cloud_file())
    values = {**told, **given}
    name = name or str(values.get("group") or "default")
    return configuration.profile_of(values, name, f"profile {name}")


def _sign_in(profile: Profile, *, device: bool, browser: bool) -> None:
    from neurocaas import identity_center, openid

    if profile.way == "identity-center":
        identity_center.sign_in(profile, browser=browser)
    elif profile.way == "openid":
        openid.sign_in(profile, browser=browser, device=device)
    elif device:
        raise AnalysisError(
            f"--device with the way in {profile.way}", "Identity Center or OpenID Connect", "leave it out"
        )


def _checked(profile: Profile) -> tuple[Profile, Standing]:
    """Who one is by the profile. On the local cloud, the developers' own group has no role: its credentials
    count as they are."""
    from neurocaas.standing import standing

    try:
        return profile, standing(profile, profile.group, budgets=False)
    except access.NoRole as refused:
        if profile.way != "local":
            raise AnalysisError(
                refused.got,
                refused.allowed,
                f"{refused.do}; or say --as-is, when these credentials have the group's rights themselves",
            ) from None
    profile = replace(profile, as_is=True)
    return profile, standing(profile, profile.group, budgets=False)


def _cloud_file() -> Path:
    """That of the local cloud here: of LOCALCLOUD_HOME, or of a project in this folder or one above."""
    home = os.environ.get("LOCALCLOUD_HOME", "")
    here = Path.cwd()
    places = [Path(home).expanduser()] if home else [folder / ".local" for folder in (here, *here.parents)]
    found = next((place / "cloud.json" for place in places if (place / "cloud.json").is_file()), None)
    if found is None:
        raise AnalysisError(
            f"no local cloud in {home or here}",
            "the folder of a project whose local cloud is up",
            "start it there (`invoke local.up`), and try again in its folder",
        )
    return found.resolve()


def _told(settings: str) -> dict[str, Any]:
    """What an administrator has sent, as values of a profile."""
    text = settings.strip()
    if text.startswith("https://"):
        text = _fetched(text)
    elif not text.startswith((SETTINGS_MARK, "{")):
        try:
            text = Path(settings).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError):
            raise AnalysisError(
                f"--settings {settings[:60]!r}",
                f"the text that your administrator sent ({SETTINGS_MARK}…), a file with it, or its address",
                "copy the whole line",
            ) from None
    try:
        if text.startswith(SETTINGS_MARK):
            code = text.removeprefix(SETTINGS_MARK)
            text = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
        found = json_format.loads(text)
    except (ValueError, binascii.Error):
        found = None
    if not isinstance(found, dict) or found.get("way") not in WAYS:
        raise AnalysisError(
            "settings that cannot be read",
            "a line as your administrator sent it",
            "copy the whole line again",
        )
    if "credential_process" in found:
        raise AnalysisError(
            f"settings that would run a program: {found['credential_process']}",
            "settings without credential_process",
            "when you trust it, give it yourself: --credential-process COMMAND",
        )
    where = found.get("start_url") or found.get("issuer") or found["way"]
    cloud = f", cloud at {found['endpoint_url']}" if found.get("endpoint_url") else ""
    note(f"settings: group {found.get('group', '?')}, sign-in at {where}{cloud}")
    return found


def _fetched(address: str) -> str:
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return str(answer.read(2**16).decode("utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AnalysisError(
            f"no settings at {address}: {getattr(error, 'reason', error)}",
            "an address that answers",
            "check it with your administrator",
        ) from None


def _asked() -> dict[str, Any]:
    """What is needed for a profile, asked in a terminal."""
    if not sys.stdin.isatty():
        raise AnalysisError(
            "no profile, and nobody to ask",
            "options that say how you sign in",
            "`neurocaas login --settings …` with what your administrator sent, or `neurocaas login --help`",
        )
    if settings := _ask("Settings that your administrator sent (Enter: none)"):
        return _told(settings)
    way = _ask(f"Way in ({', '.join(WAYS)})", "aws-profile")
    values: dict[str, Any] = {"way": way}
    if way == "local":
        values["cloud_file"] = str(_cloud_file())
    for name in WAYS.get(way, ()):
        values[name] = _ask(name.replace("_", " "), "default" if name == "aws_profile" else "")
    values["group"] = _ask("Your group")
    if way != "local":
        values["region"] = _ask("Region of the service", access.shell_region() or "us-east-1")
    return {key: value for key, value in values.items() if value}


def _ask(question: str, default: str = "") -> str:
    """An answer. The question is no result, so it goes to standard error."""
    sign_in.ask(f"{question}{f' [{default}]' if default else ''}: ")
    answer = sys.stdin.readline()
    if not answer:
        raise Ended("interrupted", code=130)
    return answer.strip() or default
