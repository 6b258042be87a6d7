"""``python -m localcloud.images.awstoe SPEC.json``: run documents here and now. Meant for the inside of a sandbox.

The specification: ``{documents: [{name, data, parameters}], phases: [str], environment, working_directory, endpoint, region, metadata,
events}``.
``events`` is the descriptor that receives one JSON object a line: ``step``, ``log``, and last ``result``. Exit status: 0 success, 1
failed, 2 invalid.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from localcloud.images.awstoe.checks import load
from localcloud.images.awstoe.document import Document, InvalidDocument
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
        documents: list[Document] = [load(item["data"], item["parameters"], name=item["name"]) for item in spec["documents"]]
    except InvalidDocument as error:
        event({"type": "result", **Result(status="failed", failedStepCount=1, failureMessage=str(error)).as_json()})
        return 2
    runner = Runner(spec["environment"], spec["working_directory"], event, Aws(spec["endpoint"], spec["region"], spec["metadata"]))
    result = runner.run(documents, spec["phases"])
    event({"type": "result", **result.as_json()})
    return 0 if result.status != "failed" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
