"""The front door: `invoke --list`. It only assembles; each room keeps its commands in its own commands.py."""

import copy
import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.tasks import Task

import ci.commands
import console.analysts
import console.audit
import console.authoring
import console.commands
import console.costs
import console.development
import console.docs
import console.doctor
import console.idle_commands
import console.lambda_logs
import console.local_run
import console.notify
import console.package
import console.people
import console.prices
import console.publishing
import console.release
import console.secret_values
import console.upkeep
import demo.commands
import image_builder.commands
import image_builder.dev.commands
import image_builder.dev.held
import image_builder.golden_commands
import image_builder.images_commands
import image_builder.lint.commands
import image_builder.recording.commands
import localcloud.commands
import portal_host.commands
import road.commands
import smoke.commands
from console.cloud import in_cloud, project_root
from console.errors import user_errors
from console.help import answer_help
from console.stacks import all_stacks
from console.usage import explain_mistakes
from neurocaas.streams import end_with_the_reader


def clean_roots():  # type: ignore[no-untyped-def]
    """What recordings run on: the local cloud's sandboxes."""
    from localcloud.images.cleanroot import LocalRoots
    from localcloud.paths import Paths

    return LocalRoots(Paths.find(project_root()))


def shell_here(instance_id: str, command: str) -> int | None:
    """A shell in a machine of the local cloud; None when it is not one."""
    from localcloud.fleet import entry
    from localcloud.paths import Paths
    from localcloud.running import Cloud

    cloud = Cloud.load(Paths.find(project_root()))
    return entry.shell(cloud, instance_id, command) if cloud else None


def packed(root: Path, analysis: str) -> tuple[bytes, str]:
    """The code of an analysis as its machines get it, and its SHA-256."""
    from components.packaging import code_archive

    made = code_archive(root, analysis)
    return made.path.read_bytes(), made.sha256


end_with_the_reader()

OF_THIS_MACHINE = (
    console.authoring.collection,
    console.development.collection,
    console.docs.collection,
    console.doctor.collection,
    console.local_run.collection,
    console.package.collection,
    console.prices.collection,
    console.release.collection,
    demo.commands.collection,
    image_builder.golden_commands.collection,
    image_builder.lint.commands.collection,
    image_builder.recording.commands.collection,
)
dev = image_builder.dev.commands.collection()
IN_A_CLOUD = (
    ci.commands.collection,
    console.audit.collection,
    console.commands.collection,
    console.idle_commands.collection,
    console.notify.collection,
    console.people.collection,
    console.publishing.collection,
    console.secret_values.collection,
    console.upkeep.collection,
    image_builder.commands.collection,
    console.analysts.collection,
    image_builder.dev.commands.access_commands(shell_here),
    portal_host.commands.collection,
    road.commands.collection,
    smoke.commands.collection,
)

console.analysts.collection.tasks["logs"] = console.lambda_logs.with_lambdas(
    console.analysts.collection.tasks["logs"]
)
console.analysts.collection.tasks["cost"] = console.costs.with_account(
    console.analysts.collection.tasks["cost"]
)


def offered(task: Task, in_a_cloud: bool) -> Task:  # type: ignore[type-arg]
    """A task as people run it. The room's own stays as it is written, for code that calls it."""
    made = copy.copy(task)
    made.body = user_errors(in_cloud(task.body) if in_a_cloud else task.body)
    if in_a_cloud:
        made.help = {"local": "The local cloud, whatever the shell says.", **task.help}
    return made


def add(room: Collection, into: Collection, in_a_cloud: bool) -> None:
    for name, task in room.tasks.items():
        into.add_task(offered(task, in_a_cloud), name)


namespace = Collection()
namespace.configure({"clean_roots": clean_roots, "pack": packed})
for rooms, in_a_cloud in ((OF_THIS_MACHINE, False), (IN_A_CLOUD, True)):
    for room in rooms:
        add(room, namespace, in_a_cloud)
for room, in_a_cloud in (
    (ci.commands.named, True),
    (dev, True),
    (image_builder.dev.held.collection(shell_here), True),
    (image_builder.images_commands.collection, True),
    (localcloud.commands.collection(lambda: all_stacks(project_root())), False),
):
    named = Collection(room.name)
    add(room, named, in_a_cloud)
    namespace.add_collection(named)

if Path(sys.argv[0]).stem in ("invoke", "inv") or sys.argv[0].endswith("invoke/__main__.py"):
    answer_help(namespace, sys.argv[1:])
    explain_mistakes(namespace, sys.argv[1:])
