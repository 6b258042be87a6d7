"""The gRPC side: Pulumi's `ResourceProvider` service in front of `lifecycle.Lifecycle`. It knows no
AWS.

`Handshake` and secrets are not offered: the engine then sends secrets opened and marks outputs of the same
name itself.
Protocol: proto/pulumi/provider.proto of pulumi/pulumi.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.pulumi.provider import functions, tags
from localcloud.pulumi.provider.autoname import Mode, Naming
from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.codec import WireError, encode_struct, properties
from localcloud.pulumi.provider.errors import (
    Cancelled,
    InitFailed,
    ProviderError,
    UnknownFunction,
    UnknownType,
)
from localcloud.pulumi.provider.lifecycle import Lifecycle
from localcloud.pulumi.provider.table import TABLE

LOG = logging.getLogger(__name__)
THREADS = 32
MESSAGE_BYTES = 400 << 20
"""The engine's own limit: archives travel inside messages."""

_DETAILS = "grpc-status-details-bin"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: the engine starts one process for each."""

    def __init__(self, session: Session, version: str) -> None:
        self._version = version
        self._life = Lifecycle(session, TABLE, region=session.region)

    # -- the provider itself

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of `pulumi_aws` that this stands in for."""
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: Any) -> Any:
        """`pulumi import` asks for it to write code, after it has imported; the real provider's is 30 MB and
        not ours to have.
        """
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "the local AWS provider writes no code. What was imported is in the state: write the resource "
            "into the program by hand, "
            "and pass --generate-code=false next time.",
        )

    def Attach(self, request: Any, context: Any) -> Any:
        """For `PULUMI_DEBUG_PROVIDERS`."""
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """The configuration as it is; only its tags must be readable."""
        with _Guard(context):
            tags.default_tags(properties(request.news))
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """A change of region makes other resources; the rest changes nothing by itself."""
        olds, news = properties(request.old_inputs or request.olds), properties(request.news)
        replaces = ["region"] if olds.get("region") != news.get("region") else []
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_UNKNOWN, replaces=replaces)

    def Configure(self, request: Any, context: Any) -> Any:
        """Take region and default tags."""
        with _Guard(context):
            config = properties(request.args)
            self._life.region = config.get("region") or self._life.session.region
            self._life.default_tags = tags.default_tags(config)
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        """One of the few functions (`functions`)."""
        with _Guard(context):
            answer = functions.invoke(
                self._life.session, self._life.region, request.tok, properties(request.args)
            )
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode_struct(answer))  # a keyword of Python
        return response

    def Cancel(self, request: Any, context: Any) -> Any:
        """End waits; running AWS calls end by themselves."""
        self._life.stop.set()
        return empty_pb2.Empty()

    # -- resources

    def Check(self, request: Any, context: Any) -> Any:
        """Fill in names and defaults, and say everything that is wrong."""
        with _Guard(context):
            inputs, problems = self._life.check(
                _type(request),
                _name(request),
                properties(request.news),
                properties(request.olds),
                request.randomSeed,
                _naming(request),
            )
        failures = [
            provider_pb2.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems
        ]
        return provider_pb2.CheckResponse(inputs=encode_struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        """Which inputs differ, and which of these replace the resource. Within an input the engine finds the
        place itself.
        """
        with _Guard(context):
            olds, news = properties(request.old_inputs) or properties(request.olds), properties(request.news)
            ignore = frozenset(
                path.split(".")[0].split("[")[0]
                for path in request.ignoreChanges
                if "." not in path and "[" not in path
            )
            difference = self._life.diff(_type(request), olds, news, ignore)
        kinds = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kinds.DIFF_SOME if difference.changed else kinds.DIFF_NONE,
            replaces=difference.replaces,
            deleteBeforeReplace=difference.delete_before_replace,
            diffs=difference.changed,
            detailedDiff={
                key: _property_diff(olds.get(key), news.get(key), key in difference.replaces)
                for key in difference.changed
            },
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:
        """Make it, or say what would come out."""
        with _Guard(context):
            inputs = properties(request.properties)
            if request.preview:
                return provider_pb2.CreateResponse(
                    properties=encode_struct(self._life.preview_create(_type(request), inputs))
                )
            resource_id, outputs = self._life.create(_type(request), _name(request), inputs, request.timeout)
            return provider_pb2.CreateResponse(id=resource_id, properties=encode_struct(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        """What exists, for refresh (with inputs) and import (without). An empty id says that it is gone."""
        with _Guard(context):
            found = self._life.read(
                _type(request),
                _name(request),
                request.id,
                properties(request.inputs),
                properties(request.properties),
            )
            if found is None:
                return provider_pb2.ReadResponse()
            resource_id, outputs, inputs = found
            return provider_pb2.ReadResponse(
                id=resource_id, properties=encode_struct(outputs), inputs=encode_struct(inputs)
            )

    def Update(self, request: Any, context: Any) -> Any:
        """Change it in place, or say what would come out."""
        with _Guard(context):
            olds, news = properties(request.olds), properties(request.news)
            if request.preview:
                outputs = self._life.preview_update(
                    _type(request), olds, properties(request.old_inputs), news
                )
            else:
                outputs = self._life.update(
                    _type(request), _name(request), request.id, olds, news, request.timeout
                )
            return provider_pb2.UpdateResponse(properties=encode_struct(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        """Remove it."""
        with _Guard(context):
            self._life.delete(
                _type(request), _name(request), request.id, properties(request.properties), request.timeout
            )
        return empty_pb2.Empty()


class _Guard:
    """Turns exceptions of a handler into gRPC statuses. `abort` raises, so it stands outside every
    `except`.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, InitFailed):
            self._init_failed(error)
        if isinstance(error, (UnknownType, UnknownFunction)):
            self._context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        if isinstance(error, Cancelled):
            self._context.abort(grpc.StatusCode.CANCELLED, str(error))
        if isinstance(error, (ProviderError, WireError)):
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))
        LOG.exception("a handler failed", exc_info=error)
        self._context.abort(
            grpc.StatusCode.UNKNOWN, f"the local AWS provider failed: {type(error).__name__}: {error}"
        )

    def _init_failed(self, error: InitFailed) -> NoReturn:
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=encode_struct(error.outputs),
            inputs=encode_struct(error.inputs),
            reasons=error.reasons,
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
        status.details.add().Pack(detail)
        self._context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
        self._context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise AssertionError("abort returned")


def _property_diff(old: Any, new: Any, replaces: bool) -> Any:
    kind = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
    return provider_pb2.PropertyDiff(
        kind=getattr(provider_pb2.PropertyDiff, f"{kind}_REPLACE" if replaces else kind), inputDiff=True
    )


def _urn_parts(urn: str) -> list[str]:
    return urn.split("::")


def _type(request: Any) -> str:
    """The type token; a child's URN has its parents' types before it, parted by `$`."""
    parts = _urn_parts(request.urn)
    return request.type or (parts[2].rsplit("$", 1)[-1] if len(parts) > 2 else request.urn)


def _name(request: Any) -> str:
    return request.name or _urn_parts(request.urn)[-1]


def _naming(request: Any) -> Naming:
    if not request.HasField("autonaming"):
        return Naming()
    wish = request.autonaming
    modes = {wish.PROPOSE: Mode.PROPOSE, wish.ENFORCE: Mode.ENFORCE, wish.DISABLE: Mode.DISABLE}
    return Naming(modes[wish.mode], wish.proposed_name)


def serve(session: Session, version: str, stop: threading.Event, announce: Callable[[int], None]) -> None:
    """Serve on a free port of 127.0.0.1 until `stop` is set. `announce` is told the port once the server
    accepts calls.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS, thread_name_prefix="provider"),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
        ],
    )
    provider = Provider(session, version)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce(port)
    stop.wait()
    provider.Cancel(None, None)
    server.stop(1).wait()
