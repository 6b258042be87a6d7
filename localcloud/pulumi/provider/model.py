"""What a resource type is: its facts (`ResourceType`), its verbs (`Handler`) and what a verb is
given (`Call`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import Cancelled, Unsettled, is_in_use
from localcloud.pulumi.provider.relations import Relation
from localcloud.pulumi.provider.sdk import ResourceSchema, load
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import Tags

T = TypeVar("T")
Properties = dict[str, Any]
Rule = Callable[[Any], str | None]
"""Says what is wrong with a value (got, allowed, what to do), or `None`."""

IN_USE_SECONDS = 30.0
"""How long a delete is retried while another resource still refers to the thing."""


@dataclass
class Call:
    """One verb on one resource: clients, region, tags, and a record of what was created."""

    session: Session
    token: str
    name: str
    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    timeout: float = 0.0
    created_id: str | None = None

    @property
    def types(self) -> Mapping[str, str]:
        """The types of the resource's inputs."""
        return load().resources[self.token].inputs

    def client(self, service: str) -> Any:
        """The client of `service` in this resource's region."""
        return self.session.client(service, self.region)

    def all_tags(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """The provider's default tags and, over them, the resource's own."""
        return {**self.default_tags, **(inputs.get("tags") or {})}

    def arn(self, service: str, resource: str) -> str:
        """An ARN in the aws partition."""
        return f"arn:aws:{service}:{self.region}:{self.session.account}:{resource}"

    def created(self, resource_id: str) -> str:
        """Say that the resource exists from here on: a later failure keeps it in the state instead of losing
        it.
        """
        self.created_id = resource_id
        return resource_id

    def pause(self, seconds: float) -> None:
        """Wait, unless the engine cancels.

        Raises `Cancelled`: it did.
        """
        if self.stop.wait(seconds):
            raise Cancelled("cancelled by the engine")

    def retry(self, action: Callable[[], T], while_: Callable[[BaseException], bool], *, seconds: float) -> T:
        """`action()`, again while `while_(error)` holds and `seconds` are not over."""
        deadline = time.monotonic() + seconds
        delay = 0.2
        while True:
            try:
                return action()
            except Exception as error:
                if time.monotonic() + delay > deadline or not while_(error):
                    raise
            self.pause(delay)
            delay = min(delay * 2, 3.0)

    def settle(self, look: Callable[[], T], *, seconds: float) -> T:
        """`look()`, again while it raises `Unsettled` and `seconds` (or the resource's custom
        timeout) are not over.
        """
        return self.retry(look, lambda error: isinstance(error, Unsettled), seconds=self.timeout or seconds)

    def retry_in_use(self, action: Callable[[], T]) -> T:
        """A delete, retried while something else still refers to the thing (as the real provider does)."""
        return self.retry(action, is_in_use, seconds=IN_USE_SECONDS)


class Handler:
    """The verbs of one resource type. Properties are camelCase and plain: no unknowns, secrets opened."""

    tags: ClassVar[Tags | None] = None
    """How its tags are changed; none where it has none, or `update` does it."""

    shape: ClassVar[Shape] = Shape()
    """How the service spells what is within its inputs."""

    sent: ClassVar[Mapping[str, str]] = {}
    """Inputs that are sent as they are: to the member of the request."""
    request: ClassVar[tuple[str, str]] = ("", "")
    """Service and operation of that request, whose model knows rules for values."""

    def create(self, call: Call, inputs: Properties) -> str:
        """Make it and return its id. Call `call.created(id)` as soon as it exists when more steps
        follow.
        """
        raise NotImplementedError

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        """What exists: every property AWS reports, `None` for those not set; all tags as `tagsAll`.
        `None` when it is gone.

        `state` holds the last known outputs (empty on import).
        """
        raise NotImplementedError

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        """Change it in place. `olds` are the last outputs, `news` the wanted inputs. Its tags follow
        (`tags`). Nothing to do where everything but tags replaces.
        """

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        """Remove it. Its absence may be raised as the service says it: the caller takes that for success."""
        raise NotImplementedError


@dataclass(frozen=True)
class AutoName:
    """How a name is made when none is given: `<logical name><separator><7 hex>`, at most `limit`
    characters.

    Source: provider/autonaming.go and provider/resource_overrides.go of pulumi/pulumi-aws.
    """

    property: str = "name"
    limit: int = 255
    separator: str = "-"
    random: int = 7
    lower: bool = False
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """The facts about one type. Argument names, types and required ones come from `pulumi_aws`
    (`schema`).
    """

    token: str
    handler: Handler
    id: str
    """How the id is built: literal text and `{property}` of the outputs. Tested against what create
    returns.
    """
    given: frozenset[str]
    """Inputs that a program may give, besides tags: the others are refused, which is better than to ignore
    them.
    """
    replace: frozenset[str] = frozenset()
    """Inputs whose change needs a new resource."""
    autoname: AutoName | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the provider fills in for absent inputs."""
    computed: frozenset[str] = frozenset()
    """Optional inputs that the service chooses when absent: unknown in the preview of a create."""
    recomputed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Outputs that an update changes: output to the inputs that cause it (`*`: any)."""
    conflicts: tuple[tuple[str, ...], ...] = ()
    """Groups of inputs of which at most one may be given."""
    one_of: tuple[tuple[str, ...], ...] = ()
    """Groups of inputs of which at least one must be given."""
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    """Path (`environment.variables`, `rules[].status`) to the rules for the value there."""
    relation: Relation | None = None
    """What must hold between its inputs."""
    not_imported: frozenset[str] = frozenset()
    """Inputs that the service cannot report or chooses itself: left out of the inputs made by an import."""

    @property
    def schema(self) -> ResourceSchema:
        """Arguments and outputs as in the installed `pulumi_aws`."""
        return load().resources[self.token]

    @property
    def inputs(self) -> dict[str, str]:
        """The inputs that a program may give, with their types."""
        tags = {"tags"} if self.taggable else set()
        return {name: kind for name, kind in self.schema.inputs.items() if name in self.given | tags}

    @property
    def taggable(self) -> bool:
        """Whether it has `tags` and `tagsAll`."""
        return "tagsAll" in self.schema.outputs

    @property
    def regional(self) -> bool:
        """Whether it takes a `region`."""
        return "region" in self.schema.inputs

    @property
    def write_only_outputs(self) -> frozenset[str]:
        """Outputs that are no inputs: unknown in the preview of a create."""
        return self.schema.outputs - frozenset(self.schema.inputs)
