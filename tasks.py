"""The front door: `invoke --list`. It only assembles; each room keeps its commands in its own commands.py."""

from invoke.collection import Collection

import client.commands
import console.commands
import console.development
import demo.commands
import image_builder.commands
import localcloud.commands
from console.cloud import in_cloud
from console.errors import user_errors

namespace = Collection()
for room, own_environment in (
    (console.development, True),
    (localcloud.commands, True),
    (demo.commands, True),
    (console.commands, False),
    (image_builder.commands, False),
    (client.commands, False),
):
    tasks = room.collection
    for task in [*tasks.tasks.values(), *(one for inner in tasks.collections.values() for one in inner.tasks.values())]:
        task.body = user_errors(task.body if own_environment else in_cloud(task.body))
        if not own_environment:
            task.help.setdefault("local", "The local cloud, whatever the shell says.")
    for task in tasks.tasks.values():
        namespace.add_task(task)
    for name, inner in tasks.collections.items():
        namespace.add_collection(inner, name)
