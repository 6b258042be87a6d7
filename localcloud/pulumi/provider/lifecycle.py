"""The verbs of Pulumi's provider protocol in plain Python: what all types share around the handlers of
`resources`.

Nothing here knows gRPC. Properties are dictionaries; unknown values may occur in checks, diffs and previews
only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.pulumi.provider import autoname, validate
from localcloud.pulumi.provider.autoname import DEFAULTS_KEY, Naming
from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.codec import UNKNOWN, Archive, Asset, Secret, Unknown, contains_unknown
from localcloud.pulumi.provider.coerce import coerce_all
from localcloud.pulumi.provider.compare import changed_keys, reconcile, same
from localcloud.pulumi.provider.errors import (
    InitFailed,
    NotYetThere,
    OperationFailed,
    ProviderError,
    UnknownType,
    describe,
    is_not_found,
    is_not_yet_there,
)
from localcloud.pulumi.provider.model import Call, Properties, ResourceType
from localcloud.pulumi.provider.tags import own_tags


@dataclass(frozen=True)
class Difference:
    """What a change of inputs means: the inputs that differ, those of them that replace, and in which
    order.
    """

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False


@dataclass
class Lifecycle:
    """The verbs over one AWS session and one table of types."""

    session: Session
    table: Mapping[str, ResourceType]
    region: str = ""
    default_tags: dict[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def kind(self, token: str) -> ResourceType:
        """The facts about `token`.

        Raises `UnknownType`: it is not in the table.
        """
        if token not in self.table:
            raise UnknownType(token, self.table)
        return self.table[token]

    # -- without AWS

    def check(
        self, token: str, name: str, news: Properties, olds: Properties, seed: bytes, naming: Naming
    ) -> tuple[Properties, list[validate.Problem]]:
        """The inputs with names and defaults filled in, and every problem with them."""
        kind = self.kind(token)
        inputs = {key: value for key, value in news.items() if key != DEFAULTS_KEY}
        filled: list[str] = []
        problems: list[validate.Problem] = []
        rule = kind.autoname
        if rule is not None and inputs.get(rule.property) is None:
            made = autoname.choose(rule, name, olds, seed, naming)
            if made is not None:
                inputs[rule.property] = made
                filled.append(rule.property)
                reason = autoname.too_long(rule, made)
                if reason:
                    problems.append(validate.Problem(rule.property, reason))
        for key, value in kind.defaults.items():
            if inputs.get(key) is None:
                inputs[key] = value
                filled.append(key)
        for key, value in inputs.items():
            if (
                kind.schema.inputs.get(key) == "document"
                and isinstance(value, dict)
                and not contains_unknown(value)
            ):
                inputs[key] = json.dumps(value, separators=(",", ":"))
        problems = problems or validate.check(kind, inputs)
        return {**inputs, DEFAULTS_KEY: sorted(filled)}, problems

    def diff(
        self, token: str, olds: Properties, news: Properties, ignore: frozenset[str] = frozenset()
    ) -> Difference:
        """What the change from the inputs `olds` to the inputs `news` means."""
        kind = self.kind(token)
        changed = self._changed(kind, olds, news) - ignore
        replaces = changed & kind.replace
        return Difference(
            tuple(sorted(changed)),
            tuple(sorted(replaces)),
            bool(replaces) and self._delete_first(kind, olds, news),
        )

    @staticmethod
    def _changed(kind: ResourceType, olds: Properties, news: Properties) -> set[str]:
        """The inputs that differ. A resource is not replaced because what the service may choose is no longer
        asked for: it keeps what it has, as after an import."""
        kept = {key for key in kind.computed & kind.replace if news.get(key) is None}
        return changed_keys(olds, news) - kept

    @staticmethod
    def _delete_first(kind: ResourceType, olds: Properties, news: Properties) -> bool:
        """Whether old and new cannot stand side by side: an explicit name that stays (as
        pulumi-terraform-bridge decides it).
        """
        if kind.autoname is None or not kind.autoname.random:
            return False
        name = kind.autoname.property
        return (
            news.get(name) is not None
            and name not in autoname.defaulted(news)
            and same(olds.get(name), news.get(name))
        )

    def preview_create(self, token: str, inputs: Properties) -> Properties:
        """The outputs as far as they are known before the create."""
        kind = self.kind(token)
        outputs = _without_notes(inputs)
        for key in kind.write_only_outputs | kind.computed:
            outputs.setdefault(key, UNKNOWN)
        if kind.regional:
            outputs.setdefault("region", self.region)
        self._preview_tags(kind, outputs, inputs)
        return self._mark(kind, outputs)

    def preview_update(
        self, token: str, outputs: Properties, olds: Properties, news: Properties
    ) -> Properties:
        """The outputs as far as they are known before an update from the inputs `olds` to `news`."""
        kind = self.kind(token)
        changed = self._changed(kind, olds, news)
        after = {
            key: value
            for key, value in outputs.items()
            if key not in olds or key in news or key in kind.computed
        }
        after.update(_without_notes(news))
        for key, causes in kind.recomputed.items():
            if key not in news and ("*" in causes or causes & changed):
                after[key] = UNKNOWN
        for key in changed & kind.computed - news.keys():  # no longer asked for: the service chooses again
            after[key] = UNKNOWN
        self._preview_tags(kind, after, news)
        return self._mark(kind, after)

    def _preview_tags(self, kind: ResourceType, outputs: Properties, inputs: Properties) -> None:
        if kind.taggable:
            own = inputs.get("tags")
            outputs["tagsAll"] = UNKNOWN if isinstance(own, Unknown) else {**self.default_tags, **(own or {})}

    # -- with AWS

    def create(self, token: str, name: str, inputs: Properties, timeout: float) -> tuple[str, Properties]:
        """Make it.

        Raises `OperationFailed`: nothing was made; `InitFailed`: it was made, but not finished.
        """
        kind = self.kind(token)
        call = self._call(kind, name, inputs, timeout)
        wanted = self._handler_inputs(kind, inputs)
        try:
            resource_id = call.created(kind.handler.create(call, wanted))
            live = call.retry(
                lambda: self._must_read(kind, call, resource_id, wanted), is_not_yet_there, seconds=10
            )
        except Exception as error:
            if call.created_id is None:
                raise OperationFailed("creating", token, name, error) from error
            raise self._init_failed(kind, call, wanted, inputs, error) from error
        return resource_id, self._outputs(kind, resource_id, wanted, live)

    def _init_failed(
        self, kind: ResourceType, call: Call, wanted: Properties, inputs: Properties, error: Exception
    ) -> InitFailed:
        assert call.created_id is not None
        try:
            live = kind.handler.read(call, call.created_id, wanted) or {}
        except Exception:  # noqa: BLE001  the first error is the one to tell; what is known stays in the state
            live = {}
        outputs = self._outputs(kind, call.created_id, wanted, live)
        reason = (
            f"creating {kind.token} '{call.name}' ({call.created_id}) was begun but not finished: "
            f"{describe(error)}"
        )
        return InitFailed(call.created_id, outputs, inputs, [reason])

    @staticmethod
    def _must_read(kind: ResourceType, call: Call, resource_id: str, state: Properties) -> Properties:
        live = kind.handler.read(call, resource_id, state)
        if live is None:
            raise NotYetThere(f"{resource_id} does not exist although its creation was answered with success")
        return live

    def read(
        self, token: str, name: str, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """(id, outputs, inputs) of what exists, `None` when it is gone. Without `inputs` it is an import.

        Raises `OperationFailed`: the service answered with another error than "not found".
        """
        kind = self.kind(token)
        importing = not inputs and not state
        call = self._call(kind, name, inputs or state, 0)
        known = {
            **_without_notes(state),
            **{k: v for k, v in _without_notes(inputs).items() if k not in state or _is_file(v)},
        }
        try:
            live = kind.handler.read(call, resource_id, known)
        except Exception as error:
            if is_not_found(error):
                return None
            raise OperationFailed("importing" if importing else "reading", token, name, error) from error
        if live is None:
            return None
        resource_id = str(live.pop("id", resource_id))
        outputs = self._outputs(kind, resource_id, known, live)
        if importing:
            return resource_id, outputs, self._import_inputs(kind, outputs)
        types = kind.schema.inputs
        refreshed: Properties = {}
        for key, value in inputs.items():
            if key == "tags" and kind.taggable:
                refreshed[key] = reconcile(
                    value,
                    own_tags(live.get("tagsAll") or {}, self.default_tags, value),
                    "{string}",
                    extra=False,
                )
            elif key.startswith("__") or key not in live:
                refreshed[key] = value
            else:
                refreshed[key] = reconcile(value, live[key], types[key], extra=False)
        return resource_id, outputs, {key: value for key, value in refreshed.items() if value is not None}

    def _import_inputs(self, kind: ResourceType, outputs: Properties) -> Properties:
        """The inputs that make a program with them match: all that AWS reports, but for what is empty or
        chosen by the service. A secret stays one: the engine writes inputs into its state as well."""
        inputs = {
            key: value
            for key, value in outputs.items()
            if key in kind.inputs
            and key not in kind.not_imported
            and _opened(value) not in (None, "", [], {})
        }
        for key, value in kind.defaults.items():
            inputs.setdefault(key, value)
        return {
            **inputs,
            DEFAULTS_KEY: sorted(key for key, value in kind.defaults.items() if inputs.get(key) == value),
        }

    def update(
        self, token: str, name: str, resource_id: str, olds: Properties, news: Properties, timeout: float
    ) -> Properties:
        """Change it in place from the outputs `olds` to the inputs `news`; returns the new outputs.

        Raises `OperationFailed`: the service refused, or the resource is gone.
        """
        kind = self.kind(token)
        call = self._call(kind, name, news, timeout)
        wanted = self._handler_inputs(kind, news)
        before = coerce_all(kind, _without_notes(olds))
        try:
            kind.handler.update(call, resource_id, before, wanted)
            if kind.handler.tags is not None:
                thing = {**before, **wanted, "id": resource_id}[kind.handler.tags.by]
                kind.handler.tags.change(call, thing, before.get("tagsAll") or {}, call.all_tags(wanted))
            live = self._must_read(kind, call, resource_id, {**before, **wanted})
        except Exception as error:
            raise OperationFailed("updating", token, name, error) from error
        return self._outputs(kind, resource_id, wanted, live)

    def delete(self, token: str, name: str, resource_id: str, state: Properties, timeout: float) -> None:
        """Remove it; that it is gone already is success.

        Raises `OperationFailed`: the service refused.
        """
        kind = self.kind(token)
        call = self._call(kind, name, state, timeout)
        try:
            call.retry_in_use(lambda: kind.handler.delete(call, resource_id, _without_notes(state)))
        except Exception as error:
            if not is_not_found(error):
                raise OperationFailed("deleting", token, name, error) from error

    # -- shared

    def _call(self, kind: ResourceType, name: str, properties: Properties, timeout: float) -> Call:
        return Call(
            self.session,
            kind.token,
            name,
            self.region,
            self.default_tags if kind.taggable else {},
            self.stop,
            timeout,
        )

    def _handler_inputs(self, kind: ResourceType, inputs: Properties) -> Properties:
        if contains_unknown(inputs):
            unknown = sorted(key for key, value in inputs.items() if contains_unknown(value))
            raise ProviderError(
                f"{kind.token} was given unknown values outside a preview: {', '.join(unknown)}"
            )
        return coerce_all(kind, _without_notes(inputs))

    def _outputs(
        self, kind: ResourceType, resource_id: str, known: Properties, live: Properties
    ) -> Properties:
        types = kind.schema.inputs
        outputs = {key: value for key, value in known.items() if key not in live}
        for key, value in live.items():
            outputs[key] = reconcile(known.get(key), value, types.get(key, "any"), extra=True)
        if kind.taggable:
            every = live.get("tagsAll") or {}
            outputs["tagsAll"] = every
            outputs["tags"] = own_tags(every, self.default_tags, known.get("tags") or {})
        if kind.regional:
            outputs["region"] = self.region
        outputs["id"] = resource_id
        return self._mark(kind, {key: value for key, value in outputs.items() if value is not None})

    @staticmethod
    def _mark(kind: ResourceType, outputs: Properties) -> Properties:
        secret = kind.schema.secrets
        return {
            k: Secret(v) if k in secret and not isinstance(v, (Secret, Unknown)) and v is not None else v
            for k, v in outputs.items()
        }


def _without_notes(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if not key.startswith("__")}


def _is_file(value: Any) -> bool:
    return isinstance(value, (Asset, Archive))


def _opened(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value
