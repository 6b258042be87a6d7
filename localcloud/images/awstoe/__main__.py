"""``python -m localcloud.images.awstoe SPEC.json``: run documents here and now. Meant for the inside of a
sandbox.

The specification: ``{documents: [{name, data, parameters}], phases: [str], environment, working_directory,
endpoint, region, metadata, events, logs}``; ``logs`` is a folder for AWSTOE's log files, or is left out.
``events`` is the descriptor that receives one JSON object a line: ``step``, ``log``, and last ``result``.
Exit status: 0 success, 1 failed, 2 invalid.
"""

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from awstoe.checks import load
from awstoe.document import Document, InvalidDocument
from localcloud.images.awstoe.logs import Logs
from localcloud.images.awstoe.runner import Result, Runner
from localcloud.images.awstoe.transfer import Aws


def main(path: str) -> int:
    """Run what the file says."""
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    descriptor = int(spec["events"])
    os.set_inheritable(descriptor, False)

    def event(what: dict[str, Any]) -> None:
        data = (json.dumps(what) + "\n").encode()
        while data:
            data = data[os.write(descriptor, data) :]

    os.environ.update(spec["environment"])  # certificate settings count for our own downloads too
    try:
        documents: list[Document] = [
            load(item["data"], item["parameters"], name=item["name"]) for item in spec["documents"]
        ]
    except InvalidDocument as error:
        event(
            {
                "type": "result",
                **Result(status="failed", failedStepCount=1, failureMessage=str(error)).as_json(),
            }
        )
        return 2
    execution = str(uuid.uuid4())
    logs = (
        Logs(Path(spec["logs"]), execution, [item["data"] for item in spec["documents"]])
        if spec.get("logs")
        else None
    )

    def heard(what: dict[str, Any]) -> None:
        if logs is not None:
            logs.hear(what)
        event(what)

    Path(spec["working_directory"]).mkdir(parents=True, exist_ok=True)
    os.chdir(spec["working_directory"])  # relative paths of files are meant from there, like those of scripts
    runner = Runner(
        spec["environment"],
        spec["working_directory"],
        heard,
        Aws(spec["endpoint"], spec["region"], spec["metadata"]),
    )
    result = runner.run(documents, spec["phases"], execution)
    if logs is not None:
        result.logUrl = logs.folder.name
        logs.close([document.name for document in documents], result.as_json(), runner.chaining(documents))
    event({"type": "result", **result.as_json()})
    return 0 if result.status != "failed" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
