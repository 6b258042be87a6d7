"""What of MiniStack is replaced, in the one order in which it works.

Several plugins replace the same name: the later one is asked first, and calls what it found. So the order is
part of what they do; each entry says why it stands where it does. ``tests/emulator_contracts.py`` installs
the list and compares what has changed in MiniStack with what the entries say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localcloud.aws import (
    account_control,
    buckets,
    delivery,
    hooks,
    notifications,
    owners,
    quotas,
    storage,
    subscriptions,
    tracking,
    workers,
)
from localcloud.aws.context import Context
from localcloud.aws.ec2 import (
    capacity,
    default_vpc,
    endpoints,
    reclaim,
    routes,
    security_groups,
    spot_role,
)
from localcloud.aws.ec2 import service as ec2_service
from localcloud.aws.iam import conditions, enforcement, leading_keys, public, resources, root, trust
from localcloud.aws.iam import quotas as iam_quotas
from localcloud.aws.iam.sessions import Sessions
from localcloud.aws.imagebuilder import service as imagebuilder_service
from localcloud.aws.parts import Items
from localcloud.aws.runcommand import RunCommand
from localcloud.aws.trails import Trails
from localcloud.aws.uploads import Uploads


@dataclass(frozen=True)
class Parts:
    """One emulator's parts that plugins put into MiniStack."""

    context: Context
    items: Items
    sessions: Sessions
    imagebuilder: imagebuilder_service.ImageBuilder
    commands: RunCommand


@dataclass(frozen=True)
class Plugin:
    """``module``: where its ``install`` is, below ``localcloud.aws``. ``replaces``: names of MiniStack's
    modules as :mod:`localcloud.aws.hooks` calls them (functions, or tables of which it replaces entries);
    empty: it only adds operations to the administrative interface. ``order``: why it stands here.
    """

    module: str
    install: Callable[[Parts], None]
    replaces: tuple[str, ...]
    order: str = "any"


PLUGINS = (
    Plugin(
        "imagebuilder.service",
        lambda parts: imagebuilder_service.install(parts.context, parts.imagebuilder),
        (
            "router.SERVICE_PATTERNS",
            "app.SERVICE_HANDLERS",
            "iam_actions.SERVICE_TO_IAM_NAMESPACE",
            "iam_actions._BOTOCORE_SERVICE_MAP",
            "tagging._RESOURCE_TAG_COLLECTORS",
        ),
        "before tracking, which wraps the handlers that are in the table then",
    ),
    Plugin("hooks", lambda parts: hooks.leave_saving_to_us(), ("app.save_all",)),
    Plugin(
        "parts",
        lambda parts: parts.items.install(),
        (
            "dynamodb._set_item",
            "dynamodb._remove_item",
            "dynamodb._items_replaced",
            "dynamodb._txn_token_store",
            "dynamodb.get_state",
            "dynamodb.load_persisted_state",
        ),
    ),
    Plugin(
        "iam.sessions",
        lambda parts: parts.sessions.install(),
        ("sts.register_session", "sts.get_state", "sts.load_persisted_state"),
    ),
    Plugin(
        "notifications",
        lambda parts: notifications.install(),
        ("s3._atomic_write", "s3._fire_s3_event_async", "app.SERVICE_HANDLERS"),
        "before tracking: the messages that a request sends are saved with it",
    ),
    Plugin(
        "uploads",
        lambda parts: Uploads(parts.context.settings.paths.emulator_uploads).install(),
        ("app.SERVICE_HANDLERS",),
        "before tracking: an upload's part is kept before its request is answered",
    ),
    Plugin(
        "owners",
        lambda parts: owners.install(),
        ("app.SERVICE_HANDLERS",),
        "after uploads, so asked first: what is refused keeps nothing",
    ),
    Plugin(
        "trails",
        lambda parts: Trails().install(),
        ("app.SERVICE_HANDLERS", "iam_actions.access_denied_response"),
        "after owners, so asked first: what they refuse is recorded too; before tracking",
    ),
    Plugin(
        "tracking",
        lambda parts: tracking.install(parts.context.checkpoint),
        ("iam_actions.extract_iam_action", "app.SERVICE_HANDLERS"),
        "after all that serve requests which change a state",
    ),
    Plugin(
        "iam.root",
        lambda parts: root.install(parts.context.settings.access_key_id),
        (
            "iam_evaluator.is_root_access_key",
            "sts.is_root_access_key",
            "iam_evaluator._is_root_key",
            "lambda_runtime.execution_credentials",
            "lambda_svc.execution_credentials",
        ),
    ),
    Plugin(
        "iam.conditions",
        lambda parts: conditions.install(),
        (
            "tagging._RESOURCE_TAG_COLLECTORS",
            "iam_evaluator._principal_keys",
            "sts._principal_keys",
            "iam_evaluator._fnmatch_compile",
            "iam_evaluator._resolve_condition_key",
            "iam_evaluator._first_match",
        ),
    ),
    Plugin(
        "iam.trust",
        lambda parts: trust.install(),
        ("iam_evaluator.evaluate_trust_policy",),
        "after conditions, which resolves the keys that its variables name",
    ),
    Plugin(
        "iam.enforcement",
        lambda parts: enforcement.install(
            {
                "ec2": resources.Ec2(parts.context),
                "lambda": resources.on_lambda,
                "events": resources.on_events,
                "ssm": resources.on_ssm,
                "dynamodb": leading_keys.on_dynamodb,
                "imagebuilder": parts.imagebuilder.checks,
            },
            lambda: parts.context.account.now.unverified_identities,
        ),
        ("iam_evaluator.enforce", "iam_actions.access_denied_response"),
        "first of two on `enforce`: what a request touches, each checked by MiniStack",
    ),
    Plugin(
        "iam.public",
        lambda parts: public.install(),
        ("iam_evaluator.enforce",),
        "second of two on `enforce`, so asked first: it leaves reads without credentials to S3",
    ),
    Plugin(
        "ec2.service",
        lambda parts: ec2_service.install(parts.context),
        (
            "ec2._ACTION_MAP",
            "ec2._docker_touched",
            "ec2._cleanup_terminated",
            "ec2._STUB_AMIS",
            "ssm._PUBLIC_AMI_PARAMETERS",
        ),
    ),
    Plugin("ec2.security_groups", lambda parts: security_groups.install(), ("ec2._ACTION_MAP",)),
    Plugin("ec2.endpoints", lambda parts: endpoints.install(), ("ec2._ACTION_MAP", "ec2._vpce_fields_xml")),
    Plugin("ec2.routes", lambda parts: routes.install(), ("ec2._ACTION_MAP",)),
    Plugin("ec2.capacity", lambda parts: capacity.install(parts.context), ()),
    Plugin("ec2.reclaim", lambda parts: reclaim.install(parts.context), ()),
    Plugin(
        "ec2.default_vpc",
        lambda parts: default_vpc.install(parts.context),
        ("ec2._ensure_defaults_initialized", "ec2._ACTION_MAP"),
    ),
    Plugin("ec2.spot_role", lambda parts: spot_role.install(parts.context), ("iam._IAM_HANDLERS",)),
    Plugin(
        "iam.quotas",
        lambda parts: iam_quotas.install(parts.context),
        ("iam._IAM_HANDLERS", "lambda_svc._create_function"),
    ),
    Plugin(
        "buckets",
        lambda parts: buckets.install(parts.context),
        (
            "app.SERVICE_HANDLERS",
            "app._handle_s3_control_request",
            "s3._public_access_blocked",
            "s3.validate_object_request",
        ),
        "after tracking: what it answers itself has changed nothing",
    ),
    Plugin(
        "subscriptions",
        lambda parts: subscriptions.install(parts.context),
        (
            "sns._subscribe",
            "sns._unsubscribe",
            "sns._fanout",
            "sns._list_subscriptions",
            "sns._list_subscriptions_by_topic",
        ),
    ),
    Plugin("account_control", lambda parts: account_control.install(parts.context), ()),
    Plugin(
        "quotas",
        lambda parts: quotas.install(parts.context),
        ("router.SERVICE_PATTERNS", "app.SERVICE_HANDLERS", "iam_actions.SERVICE_TO_IAM_NAMESPACE"),
        "after tracking: it has no state that a request would have to wait for",
    ),
    Plugin(
        "runcommand",
        lambda parts: parts.commands.install(),
        ("ec2.instance_is_managed", "ec2.exec_in_instance_blocking"),
    ),
    Plugin(
        "storage",
        lambda parts: storage.install(),
        ("s3._version_body", "s3._resolve_sse_write_headers", "s3._get_object", "s3._read_body"),
    ),
    Plugin(
        "delivery",
        lambda parts: delivery.install(parts.context.checkpoint),
        ("eventbridge._invoke_target", "sqs._delete_messages_for_esm"),
    ),
    Plugin(
        "workers",
        lambda parts: workers.install(),
        ("lambda_svc.reap_idle_workers", "lambda_runtime._detect_runtime_binary"),
    ),
)


def install(parts: Parts) -> None:
    """Put all of them in, in their order. Once a process."""
    for plugin in PLUGINS:
        plugin.install(parts)
