"""`neurocaas link-bucket`: what the owner of an outside bucket must allow, and whether it is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, WHERE, analysis_of, as_json, note, say, tell
from neurocaas.errors import AnalysisError, raise_all


@command(
    name="link-bucket",
    rest="place",
    help={
        **WHERE,
        **JSON,
        "place": "Buckets, or places in them (s3://BUCKET/PREFIX). Default: each that is registered.",
        "check": "Look whether the bucket lets the service in, as far as your rights allow.",
    },
)
def link_bucket(
    place: list[str], analysis: str = "", group: str = "", check: bool = False, json: bool = False
) -> None:
    """Print the policy by which a bucket of your own lets the service read data and write results.

    The bucket must be registered in the analysis (`outside_buckets`). Its owner adds the printed statements
    to the bucket's policy, for instance with `aws s3api put-bucket-policy`, which replaces one that is there.
    """
    from neurocaas.linking import check as look
    from neurocaas.protocol.linking import policy

    one = analysis_of(analysis, group)
    about = one.about()
    buckets = _wanted(about, place, one.group)
    found = {
        bucket: {"policy": policy(entries, about.outside_roles), "entries": entries}
        for bucket, entries in buckets.items()
    }
    checked = (
        {bucket: look(_plain_s3(one), entries, about.outside_roles) for bucket, entries in buckets.items()}
        if check
        else {}
    )
    if json:
        documents = [
            {
                "bucket": bucket,
                "policy": each["policy"],
                "checked": _facts(checked[bucket]) if check else None,
            }
            for bucket, each in found.items()
        ]
        say(
            as_json(
                {"schema_version": 1, "analysis": about.analysis, "group": one.group, "buckets": documents}
            )
        )
    elif not check:
        for bucket, each in found.items():
            note(f"the policy of {bucket}; if it has one already, add the statements to it:")
            say(as_json(each["policy"]))
    else:
        for bucket, result in checked.items():
            _report(bucket, result)
    if any(result.problems for result in checked.values()):
        raise Ended(code=1)


def _wanted(about: Any, places: Sequence[str], group: str) -> dict[str, list[Any]]:
    """The registered entries that are meant, by bucket. Raises AnalysisError."""
    from neurocaas.protocol.linking import of_bucket
    from neurocaas.protocol.outside import SCHEME

    entries: list[Any] = list(about.outside_buckets or ())
    if not about.outside_roles and entries:
        do = "ask the administrator to deploy the analysis again"
        raise AnalysisError(f"{about.analysis} does not say which roles it has", "a newer deployment", do)
    allowed = f"what is registered: {', '.join(one.path for one in entries) or 'nothing'}"
    do = "ask the analysis's developer to add it to outside_buckets in the blueprint, and to deploy"
    chosen = [] if places else entries
    errors = list[AnalysisError]()
    for place in places:
        bucket, _, prefix = place.removeprefix(SCHEME).partition("/")
        meant = of_bucket(entries, bucket, prefix)
        if not meant:
            got = f"{place} is not registered in {about.analysis} for {group}"
            errors.append(AnalysisError(got, allowed, do))
        chosen += [one for one in meant if one not in chosen]
    raise_all(errors)
    if not chosen:
        raise AnalysisError(f"{about.analysis} registers no outside bucket for {group}", "", do)
    found: dict[str, list[Any]] = {}
    for one in chosen:
        found.setdefault(one.bucket, []).append(one)
    return found


def _plain_s3(analysis: Any) -> Any:
    """A client that expects no owner: whose the bucket is, is what is asked."""
    from neurocaas.bucket import s3_client

    return s3_client(analysis.session)


def _facts(checked: Any) -> dict[str, Any]:
    return {
        "ok": not checked.problems and not checked.unknown,
        "problems": [one.to_dict() for one in checked.problems],
        "unknown": checked.unknown,
        "tried": checked.tried,
    }


def _report(bucket: str, checked: Any) -> None:
    for line in checked.tried:
        tell(f"  {line}")
    for why in checked.unknown:
        tell(f"  not known: {why}")
    for one in checked.problems:
        tell(one.text())
    if checked.problems:
        note(f"{bucket}: {len(checked.problems)} things are missing; without --check the policy is printed")
    elif checked.unknown:
        note(f"{bucket}: nothing is missing as far as you may look")
    else:
        note(f"{bucket}: the service may do all that it needs")


COMMANDS = (link_bucket,)
