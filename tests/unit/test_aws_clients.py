"""The AWS clients of the functions: what the library of the runtime must know."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.aws.clients import Clients, OutdatedError


class OldLoader:
    """A botocore of before August 2024: PutObject has no IfNoneMatch."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_service_model(self, service: str, kind: str, api_version: str | None = None) -> Any:
        model = self._loader.load_service_model(service, kind, api_version)
        if (service, kind) != ("s3", "service-2"):
            return model
        put = dict(model["shapes"]["PutObjectRequest"])
        put["members"] = {name: one for name, one in put["members"].items() if name != "IfNoneMatch"}
        return {**model, "shapes": {**model["shapes"], "PutObjectRequest": put}}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Clients(1)


def test_a_library_without_conditional_writes_is_refused_before_anything_is_written(clients: Clients) -> None:
    loader = OldLoader(clients.session.get_component("data_loader"))
    clients.session.register_component("data_loader", loader)
    with pytest.raises(OutdatedError, match=r"Allowed: 1\.35\.2 or newer"):
        _ = clients.s3


def test_the_library_that_tests_run_with_is_new_enough(clients: Clients) -> None:
    assert clients.s3.meta.service_model.service_name == "s3"
