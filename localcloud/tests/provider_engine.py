"""Plays the Pulumi engine against a provider process: the same calls in the same order, over gRPC."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.cloud import Cloud
from localcloud.pulumi.provider.codec import Secret, decode_struct, encode_struct, plain

Properties = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Failed(Exception):
    """The check of a resource's inputs found problems."""

    failures: list[tuple[str, str]]


@dataclass
class Resource:
    """A resource as the engine's state has it."""

    token: str
    name: str
    id: str
    inputs: Properties
    outputs: Properties
    secrets: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Plan:
    """The answer to a diff."""

    unchanged: bool
    replaces: list[str]
    delete_first: bool


class Engine:
    """One configured provider."""

    def __init__(self, channel: Any) -> None:
        self.stub = provider_pb2_grpc.ResourceProviderStub(channel)

    def configure(self, region: str, default_tags: Mapping[str, str]) -> None:
        """What the engine sends for an explicit provider: nested configuration is a JSON text."""
        arguments = encode_struct({"region": region, "defaultTags": json.dumps({"tags": dict(default_tags)})})
        answer = self.stub.Configure(provider_pb2.ConfigureRequest(args=arguments))
        assert answer.supportsPreview
        assert answer.supports_autonaming_configuration

    @staticmethod
    def _who(token: str, name: str) -> dict[str, Any]:
        return {"type": token, "name": name, "urn": f"urn:pulumi:stack::project::test:Parent${token}::{name}"}

    def check(
        self,
        token: str,
        name: str,
        news: Properties,
        olds: Properties | None = None,
        seed: bytes = b"seed" * 8,
    ) -> Properties:
        request = provider_pb2.CheckRequest(
            news=encode_struct(news),
            olds=encode_struct(olds or {}),
            randomSeed=seed,
            **self._who(token, name),
        )
        answer = self.stub.Check(request)
        if answer.failures:
            raise Failed([(failure.property, failure.reason) for failure in answer.failures])
        return _open(answer.inputs)

    def preview_create(self, token: str, name: str, inputs: Properties) -> Properties:
        request = provider_pb2.CreateRequest(
            properties=encode_struct(inputs), preview=True, **self._who(token, name)
        )
        return _open(self.stub.Create(request).properties)

    def create(self, token: str, name: str, args: Properties) -> Resource:
        inputs = self.check(token, name, args)
        request = provider_pb2.CreateRequest(
            properties=encode_struct(inputs), timeout=30, **self._who(token, name)
        )
        answer = self.stub.Create(request)
        raw = decode_struct(answer.properties)
        secrets = {key for key, value in raw.items() if isinstance(value, Secret)}
        return Resource(token, name, answer.id, inputs, plain(raw), secrets)

    def read(self, resource: Resource) -> Resource | None:
        request = provider_pb2.ReadRequest(
            id=resource.id,
            inputs=encode_struct(resource.inputs),
            properties=encode_struct(resource.outputs),
            **self._who(resource.token, resource.name),
        )
        answer = self.stub.Read(request)
        return (
            Resource(resource.token, resource.name, answer.id, _open(answer.inputs), _open(answer.properties))
            if answer.id
            else None
        )

    def import_(self, token: str, name: str, resource_id: str) -> Resource | None:
        answer = self.stub.Read(provider_pb2.ReadRequest(id=resource_id, **self._who(token, name)))
        return (
            Resource(token, name, answer.id, _open(answer.inputs), _open(answer.properties))
            if answer.id
            else None
        )

    def diff(self, resource: Resource, news: Properties) -> Plan:
        request = provider_pb2.DiffRequest(
            id=resource.id,
            olds=encode_struct(resource.outputs),
            old_inputs=encode_struct(resource.inputs),
            news=encode_struct(news),
            **self._who(resource.token, resource.name),
        )
        answer = self.stub.Diff(request)
        return Plan(
            answer.changes == provider_pb2.DiffResponse.DIFF_NONE,
            list(answer.replaces),
            answer.deleteBeforeReplace,
        )

    def _update(self, resource: Resource, news: Properties, *, preview: bool) -> Properties:
        request = provider_pb2.UpdateRequest(
            id=resource.id,
            olds=encode_struct(resource.outputs),
            old_inputs=encode_struct(resource.inputs),
            news=encode_struct(news),
            preview=preview,
            **self._who(resource.token, resource.name),
        )
        return _open(self.stub.Update(request).properties)

    def preview_update(self, resource: Resource, news: Properties) -> Properties:
        return self._update(resource, news, preview=True)

    def update(self, resource: Resource, news: Properties) -> Resource:
        outputs = self._update(resource, news, preview=False)
        return Resource(resource.token, resource.name, resource.id, news, outputs, resource.secrets)

    def delete(self, resource: Resource) -> None:
        request = provider_pb2.DeleteRequest(
            id=resource.id,
            properties=encode_struct(resource.outputs),
            old_inputs=encode_struct(resource.inputs),
            **self._who(resource.token, resource.name),
        )
        self.stub.Delete(request)

    def invoke(self, token: str) -> Properties:
        return _open(getattr(self.stub.Invoke(provider_pb2.InvokeRequest(tok=token)), "return"))

    def cancel(self) -> None:
        self.stub.Cancel(empty_pb2.Empty())


def init_failed(error: Any) -> Any:
    """The ErrorResourceInitFailed that came with a gRPC error, from where the engine looks for it."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(raw)
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def _open(struct: Any) -> Properties:
    opened: Properties = plain(decode_struct(struct))
    return opened


@contextmanager
def provider(cloud: Cloud, default_tags: Mapping[str, str], folder: Path) -> Iterator[Engine]:
    """A provider process for ``cloud``, started in ``folder`` as the engine starts it, and stopped as the
    engine stops it.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment.update(
        {key: value for key, value in cloud.environment().items() if value}, PYTHONPATH=str(ROOT)
    )
    command = [sys.executable, "-m", "localcloud.pulumi.provider", "--logtostderr", "-v=9", "127.0.0.1:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
    try:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            engine = Engine(channel)
            engine.configure(cloud.region, default_tags)
            yield engine
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
