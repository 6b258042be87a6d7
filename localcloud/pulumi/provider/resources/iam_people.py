"""Groups, users and who is in which group."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.iam import tagged
from localcloud.pulumi.provider.resources.named import Named


@contextlib.contextmanager
def _may_be_gone() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_not_found(error):
            raise


def _all(client: Any, operation: str, result: str, user: str) -> list[Any]:
    pages = client.get_paginator(operation).paginate(UserName=user)
    return [item for page in pages for item in page[result]]


class _Renamed(Named):
    """Its id is the name it was made with; the name changes in place."""

    service = "iam"

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        return super().read(call, state.get("name") or resource_id, state)

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if (news["name"], news.get("path")) != (olds["name"], olds.get("path")):
            new = {f"New{self.key}": news["name"], "NewPath": news.get("path") or "/"}
            self._call(call, self.calls[2], {self.key: olds["name"], **new})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        super().delete(call, state.get("name") or resource_id, state)


class Group(_Renamed):
    """A group."""

    calls = ("create_group", "get_group", "update_group", "delete_group")
    key, found = "GroupName", "Group"
    sent = {"name": "GroupName", "path": "Path"}
    told = {"arn": "Arn", "uniqueId": "GroupId"}


class User(_Renamed):
    """A user. With `forceDestroy`, a delete takes along what was given to the user by others."""

    calls = ("create_user", "get_user", "update_user", "delete_user")
    key, found = "UserName", "User"
    sent = {"name": "UserName", "path": "Path"}
    told = {"arn": "Arn", "uniqueId": "UserId"}
    tags = replace(tagged("user", "UserName"), by="name")

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client, name = call.client("iam"), state.get("name") or resource_id
        # the real provider takes users out of groups always
        for group in _all(client, "list_groups_for_user", "Groups", name):
            client.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
        if state.get("forceDestroy"):
            for key in _all(client, "list_access_keys", "AccessKeyMetadata", name):
                client.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
            for policy in _all(client, "list_attached_user_policies", "AttachedPolicies", name):
                client.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
            for policy_name in _all(client, "list_user_policies", "PolicyNames", name):
                client.delete_user_policy(UserName=name, PolicyName=policy_name)
            with _may_be_gone():
                client.delete_login_profile(UserName=name)
        super().delete(call, resource_id, state)


class UserGroupMembership(Handler):
    """That a user is in some groups. Other groups of the user are none of its business; its id is made up."""

    def create(self, call: Call, inputs: Properties) -> str:
        resource_id = call.created(f"terraform-{secrets.token_hex(13)}")
        self._add(call, inputs["user"], inputs["groups"])
        return resource_id

    @staticmethod
    def _add(call: Call, user: str, groups: Iterable[str]) -> None:
        for group in groups:
            call.client("iam").add_user_to_group(GroupName=group, UserName=user)

    @staticmethod
    def _remove(call: Call, user: str, groups: Iterable[str]) -> None:
        for group in groups:
            with _may_be_gone():
                call.client("iam").remove_user_from_group(GroupName=group, UserName=user)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        user, watched = state.get("user"), state.get("groups")
        imported = {}
        if not user:
            user, *watched = resource_id.split("/")
            if not watched:
                raise ProviderError(
                    f"got the id {resource_id!r}; USER/GROUP1/GROUP2… is needed for an import; write it so"
                )
            imported = {"id": f"terraform-{secrets.token_hex(13)}"}
        found = _all(call.client("iam"), "list_groups_for_user", "Groups", user)
        groups = sorted(group["GroupName"] for group in found if group["GroupName"] in (watched or ()))
        return {"user": user, "groups": groups, **imported} if groups else None

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        old, new = set(olds["groups"]), set(news["groups"])
        self._remove(call, news["user"], sorted(old - new))
        self._add(call, news["user"], sorted(new - old))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._remove(call, state["user"], state["groups"])
