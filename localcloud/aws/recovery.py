"""What a start makes of the files that a killed emulator left. It comes before MiniStack reads them."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

from localcloud.aws import journal
from localcloud.aws.store import STORE
from localcloud.paths import Paths


def recover(paths: Paths, port: int) -> None:
    """Put the journal into the states, name the queues by the port of this start, and give back the messages
    that functions had taken.

    Raises:
        ValueError: a file is damaged.
    """
    if paths.emulator_journal.is_dir():
        journal.fold(paths.emulator_journal, {STORE: paths.plugin_state}, paths.emulator_state)
    _name_queues(paths, port)
    _give_back(paths)


def _name_queues(paths: Paths, port: int) -> None:
    """MiniStack keeps queues under URLs with its port, and event sources look for them under the port of now.

    A URL of the port before still finds its queue: requests are answered by its last part.
    """
    queues = _entries(paths, "sqs", "queues")
    old = {queue["url"] for queue in queues.values() if urlsplit(queue["url"]).port != port}
    if old:
        file = paths.emulator_state / "sqs.json"
        document = json.loads(file.read_text())
        named = document["payload"]["queues"]["data"] = {}
        for key, queue in queues.items():
            url = queue["url"]
            now = urlsplit(url)._replace(netloc=f"localhost:{port}").geturl() if url in old else url
            named[key.replace(repr(url), repr(now))] = {**queue, "url": now}
        # MiniStack makes the table of names anew when it reads the queues.
        journal.write(file, json.dumps(document))


def _give_back(paths: Paths) -> None:
    """Nobody works on what an event source mapping had received: its function ended with the emulator.

    Who received a message by a request of his own still has it until its visibility timeout.
    """
    file, mappings = paths.emulator_state / "sqs.json", _entries(paths, "lambda", "esms")
    fed = {mapping.get("EventSourceArn") for mapping in mappings.values()}
    queues = _entries(paths, "sqs", "queues")
    taken = [
        message
        for queue in queues.values()
        if queue.get("attributes", {}).get("QueueArn") in fed
        for message in queue.get("messages", [])
        if message.get("receive_count") and message.get("visible_at", 0.0) > time.time()
    ]
    if taken:
        document = json.loads(file.read_text())
        for message in taken:
            message["visible_at"] = 0.0
            # nobody failed on it: kills shall not bring it among the dead letters
            message["receive_count"] -= 1
        document["payload"]["queues"]["data"] = queues
        journal.write(file, json.dumps(document))


def _entries(paths: Paths, key: str, store: str) -> dict[str, dict[str, Any]]:
    """The entries of a store of accounts and regions in the file of a state; empty when there is none."""
    try:
        document = json.loads((paths.emulator_state / f"{key}.json").read_text())
    except FileNotFoundError:
        return {}
    found = (document.get("payload") or {}).get(store)
    entries: dict[str, dict[str, Any]] = found.get("data", {}) if isinstance(found, dict) else {}
    return entries
