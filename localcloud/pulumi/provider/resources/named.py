"""What most resource types are: a thing with a name or ARN that is made, looked at, changed and removed by
one call each. Which calls, and which input is which member, is data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.shape import iso
from localcloud.pulumi.provider.tags import named

EMPTY: tuple[Any, ...] = (None, "", [], {})


def at(document: Any, path: str) -> Any:
    """What is at `path` (`Roles.0.RoleName`; "" is the document itself); `None` when there is nothing."""
    for part in path.split(".") if path else ():
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = (document or {}).get(part)
    return document


class Named(Handler):
    """The verbs over the data of a class below it."""

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "calls"):
            cls.request = (cls.service, cls.calls[0])

    service: ClassVar[str]
    calls: ClassVar[tuple[str, str, str, str]]
    """The operations that create, read, update and delete. No update: only tags change in place. The same as
    create: it replaces the thing as a whole."""
    key: ClassVar[str]
    """The argument that names the thing; with `[]` behind it where the call takes several."""
    delete_key: ClassVar[str] = ""
    """The same for the delete, where it differs."""
    made: ClassVar[str] = ""
    """Where the id is in the answer of create. Else it is the input `name`."""
    name: ClassVar[str] = "name"
    found: ClassVar[str] = ""
    """Where the thing is in the answer of read."""
    # what is `sent` is read back too, unless `told` says otherwise
    told: ClassVar[Mapping[str, str]] = {}
    """Outputs that are read: to where they are in the thing."""
    constant: ClassVar[tuple[str, ...]] = ("name",)
    """Inputs that the update does not take."""
    cleared: ClassVar[Mapping[str, Any]] = {}
    """Inputs that must be taken back in words when they are given no longer: to the value that does it."""
    again: ClassVar[Mapping[str, Any]] = {}
    """What the update takes besides."""
    asks: ClassVar[Mapping[str, Any]] = {}
    """What the read takes besides."""
    tagged_at_birth: ClassVar[bool] = True
    """Whether the create takes tags; else they follow (emulators drop them there)."""
    seconds: ClassVar[float] = 120.0
    """How long a call is retried while `passing` holds (the real provider's timeout for IAM to propagate)."""

    def passing(self, error: BaseException) -> bool:
        """Whether the service refuses only because it does not know something else yet."""
        return False

    def arguments(self, call: Call, inputs: Properties) -> dict[str, Any]:
        """The inputs as the service wants them. Empty ones are left out."""
        return {
            member: self.shape.to_aws(inputs[key], call.types[key])
            for key, member in self.sent.items()
            if inputs.get(key) not in EMPTY
        }

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        """The thing as properties; what is not set is `None`."""
        result: Properties = {}
        for key, path in {**self.sent, **self.told}.items():
            value = at(found, path)
            if key in call.types:
                value = None if value in EMPTY else self.shape.from_aws(value, call.types[key])
            result[key] = iso(value) if hasattr(value, "isoformat") else value
        return result

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        """Further calls after the create."""

    def read_tags(self, call: Call, found: Any, resource_id: str, result: Properties) -> dict[str, str]:
        """The tags of a thing that was found."""
        assert self.tags is not None
        return self.tags.read(call, resource_id if self.tags.by == "id" else result[self.tags.by])

    def create(self, call: Call, inputs: Properties) -> str:
        arguments = self.arguments(call, inputs)
        if self.tags is not None and self.tagged_at_birth:
            arguments |= self.tags.given(call.all_tags(inputs))
        made = self._call(call, self.calls[0], arguments)
        resource_id = call.created(str(at(made, self.made) if self.made else inputs[self.name]))
        if self.tags is not None and not self.tagged_at_birth:
            self.tags.change(call, resource_id, {}, call.all_tags(inputs))
        self.finish(call, resource_id, inputs)
        return resource_id

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        ask = getattr(call.client(self.service), self.calls[1])
        answer = ask(**named(self.key, resource_id), **self.asks)
        found = at(answer, self.found)
        if not found:
            return None
        result = self.properties(call, found, state)
        if self.tags is not None:
            result["tagsAll"] = self.read_tags(call, found, resource_id, result)
        return result

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        watched = [key for key in self.sent if key in news or olds.get(key) is not None]
        if not self.calls[2] or all(same(olds.get(key), news.get(key)) for key in watched):
            return
        arguments = self.arguments(call, news)
        if self.calls[2] != self.calls[0]:
            for key in self.constant:
                arguments.pop(self.sent[key], None)
            arguments |= named(self.key, resource_id)
        for key, value in self.cleared.items():
            if olds.get(key) and not news.get(key):
                arguments[self.sent[key]] = value
        self._call(call, self.calls[2], {**arguments, **self.again})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._call(call, self.calls[3], named(self.delete_key or self.key, resource_id))

    def _call(self, call: Call, operation: str, arguments: Mapping[str, Any]) -> Any:
        action = getattr(call.client(self.service), operation)
        return call.retry(lambda: action(**arguments), self.passing, seconds=self.seconds)
