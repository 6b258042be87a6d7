"""Images of development instances: what a parent stands for today."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from blueprints.parents import ParentImage
from image_builder.dev.amis import _today
from image_builder.dev.errors import DevelopmentError


def ssm(code: str) -> Any:
    def get_parameter(**request: str) -> Any:
        if code:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetParameter")
        return {"Parameter": {"Value": "ami-1"}}

    return SimpleNamespace(get_parameter=get_parameter, meta=SimpleNamespace(region_name="eu-west-9"))


def test_a_parameter_that_cannot_be_read_is_named() -> None:
    """AWS's own words for it are empty."""
    parent = ParentImage(parameter="/aws/service/x")
    for code in ("ParameterNotFound", "AccessDenied"):
        with pytest.raises(
            DevelopmentError,
            match=f"SSM parameter /aws/service/x in region eu-west-9: {code}\n  allowed: .*\n  do: ",
        ):
            _today(parent, ssm(code))
    with pytest.raises(ClientError):
        _today(parent, ssm("Throttling"))
    assert _today(parent, ssm("")) == "ami-1"
