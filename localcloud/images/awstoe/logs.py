"""The folder that AWSTOE leaves of an execution: ``TOE_<time>_<uuid>`` with the files of the service's names.

``document.yaml`` (or ``document-<n>.yaml`` of several), ``console.log`` (what programs wrote),
``application.log`` (what happened to steps), ``detailedoutput.json`` and ``chaining.json``.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Logs:
    """Hears the events of a run; ``close`` writes what is known at its end."""

    def __init__(self, parent: Path, execution: str, documents: Sequence[str]) -> None:
        self.folder = parent / f"TOE_{time.strftime('%Y-%m-%d_%H-%M-%S', time.gmtime())}_UTC-0_{execution}"
        self.folder.mkdir(parents=True)
        self._started = time.time()
        self._steps: dict[tuple[int, str, str], dict[str, Any]] = {}
        for number, text in enumerate(documents, 1):
            name = "document.yaml" if len(documents) == 1 else f"document-{number}.yaml"
            (self.folder / name).write_text(text, encoding="utf-8")
        self._console = (self.folder / "console.log").open("a", encoding="utf-8")
        self._application = (self.folder / "application.log").open("a", encoding="utf-8")

    def hear(self, event: Mapping[str, Any]) -> None:
        """Write an event down."""
        if event["type"] == "log":
            self._console.write(event["line"] + "\n")
        elif event["type"] == "step":
            key = (event["component"], event["phase"], event["name"])
            step = self._steps.setdefault(
                key, {"name": event["name"], "action": event["action"], "startTime": _time(event["started"])}
            )
            step |= {"status": event["status"].lower(), "failureMessage": event["message"]}
            step |= {"endTime": _time(event["ended"])} if "ended" in event else {}
            words = (
                f"{event['phase']}.{event['name']} ({event['action']}) {event['status']} {event['message']}"
            )
            self._application.write(f"{_time(time.time())} {words.rstrip()}\n")

    def close(self, names: Sequence[str], result: Mapping[str, Any], chaining: Mapping[str, Any]) -> None:
        """Write the result, step by step, and what steps gave to others."""
        documents = []
        for number, name in enumerate(names):
            phases: dict[str, list[Any]] = {}
            for (component, phase, _), step in self._steps.items():
                if component == number:
                    phases.setdefault(phase, []).append(step)
            documents.append(
                {"name": name, "phases": [{"name": phase, "steps": steps} for phase, steps in phases.items()]}
            )
        times = {"startTime": _time(self._started), "endTime": _time(time.time())}
        self._write("detailedoutput.json", {**result, **times, "documents": documents})
        self._write("chaining.json", chaining)
        self._console.close()
        self._application.close()

    def _write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
