"""Groups, users and who is in which group."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.iam import _all, _gone
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs


class Group(Handler):
    """A group. Its id is the name it was made with; name and path change in place."""

    def create(self, call: Call, inputs: Properties) -> str:
        call.client("iam").create_group(GroupName=inputs["name"], Path=inputs.get("path") or "/")
        return str(inputs["name"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        answer = _gone(lambda: call.client("iam").get_group(GroupName=state.get("name") or resource_id))
        if answer is None:
            return None
        group = answer["Group"]
        return {
            "name": group["GroupName"],
            "path": group["Path"],
            "arn": group["Arn"],
            "uniqueId": group["GroupId"],
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        call.client("iam").update_group(
            GroupName=olds["name"], NewGroupName=news["name"], NewPath=news.get("path") or "/"
        )

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("iam").delete_group(GroupName=state.get("name") or resource_id)


class User(Handler):
    """A user. Its id is the name it was made with; name and path change in place."""

    def create(self, call: Call, inputs: Properties) -> str:
        arguments: dict[str, Any] = {"UserName": inputs["name"], "Path": inputs.get("path") or "/"}
        if inputs.get("permissionsBoundary"):
            arguments["PermissionsBoundary"] = inputs["permissionsBoundary"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags)
        call.client("iam").create_user(**arguments)
        return str(inputs["name"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client, name = call.client("iam"), state.get("name") or resource_id
        answer = _gone(lambda: client.get_user(UserName=name))
        if answer is None:
            return None
        user = answer["User"]
        return {
            "name": user["UserName"],
            "path": user["Path"],
            "arn": user["Arn"],
            "uniqueId": user["UserId"],
            "permissionsBoundary": (user.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tagsAll": from_pairs(client.list_user_tags(UserName=name)["Tags"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client, name = call.client("iam"), olds["name"]
        if (news["name"], news.get("path")) != (name, olds.get("path")):
            client.update_user(UserName=name, NewUserName=news["name"], NewPath=news.get("path") or "/")
            name = news["name"]
        if news.get("permissionsBoundary"):
            client.put_user_permissions_boundary(
                UserName=name, PermissionsBoundary=news["permissionsBoundary"]
            )
        elif olds.get("permissionsBoundary"):
            client.delete_user_permissions_boundary(UserName=name)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_user(UserName=name, TagKeys=gone)
        if new:
            client.tag_user(UserName=name, Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client, name = call.client("iam"), state.get("name") or resource_id
        # the real provider takes users out of groups always
        for group in _all(client, "list_groups_for_user", "Groups", UserName=name):
            client.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
        if state.get("forceDestroy"):
            for key in _all(client, "list_access_keys", "AccessKeyMetadata", UserName=name):
                client.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
            for policy in _all(client, "list_attached_user_policies", "AttachedPolicies", UserName=name):
                client.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
            for policy_name in _all(client, "list_user_policies", "PolicyNames", UserName=name):
                client.delete_user_policy(UserName=name, PolicyName=policy_name)
            if _gone(lambda: client.get_login_profile(UserName=name)) is not None:
                client.delete_login_profile(UserName=name)
        client.delete_user(UserName=name)


class UserGroupMembership(Handler):
    """That a user is in some groups. Other groups of the user are none of its business; its id is made up."""

    def create(self, call: Call, inputs: Properties) -> str:
        resource_id = call.created(f"terraform-{secrets.token_hex(13)}")
        self._add(call, inputs["user"], inputs["groups"])
        return resource_id

    @staticmethod
    def _add(call: Call, user: str, groups: list[str]) -> None:
        for group in groups:
            call.client("iam").add_user_to_group(GroupName=group, UserName=user)

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
        found = _gone(lambda: _all(call.client("iam"), "list_groups_for_user", "Groups", UserName=user))
        groups = sorted(group["GroupName"] for group in found or () if group["GroupName"] in (watched or ()))
        return {"user": user, "groups": groups, **imported} if groups else None

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        old, new = set(olds["groups"]), set(news["groups"])
        for group in sorted(old - new):
            _gone(
                lambda name=group: call.client("iam").remove_user_from_group(
                    GroupName=name, UserName=news["user"]
                )
            )
        self._add(call, news["user"], sorted(new - old))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        for group in state["groups"]:
            _gone(
                lambda name=group: call.client("iam").remove_user_from_group(
                    GroupName=name, UserName=state["user"]
                )
            )
