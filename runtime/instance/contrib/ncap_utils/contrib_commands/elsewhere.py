"""Commands of `neurocaas-contrib` that mean nothing on a machine, and what does today what each of them
did.
"""

from typing import Dict, Optional

_IMAGES = (
    "There are no containers: on your computer `invoke run-local` runs an analysis, and `invoke record` "
    "makes its image"
)
_INSTANCE = "On your computer: `invoke dev.{}`"

ELSEWHERE: Dict[str, Dict[Optional[str], str]] = {
    "init": {None: "On your computer `invoke configure NAME` makes an analysis"},
    "describe-analyses": {None: "On your computer `invoke validate` lists the analyses"},
    "get-blueprint": {
        None: (
            "It is blueprints/NAME/blueprint.yaml of the project; what runs is told by `invoke outputs "
            "--stack "
            "STACK`"
        )
    },
    "home": {None: "Use cd"},
    "analyze": {None: "Submit from your own computer: `neurocaas submit`"},
    "local": {
        "get-iae-info": _IMAGES,
        "setup-development-container": _IMAGES,
        "reset-container": _IMAGES,
        "save-developed-image": "On your computer `invoke bake-ami` makes an image of what was recorded",
        "enter-container": _IMAGES,
        "setup-inputs": "Give data and configuration to `invoke run-local` with --data and --config",
        "run-analysis": "On your computer: `invoke run-local`",
    },
    "monitor": {
        "visualize-parallelism": "On your computer: `neurocaas status`",
        "see-users": "On your computer: `neurocaas jobs`",
        "describe-job-manager-request": "On your computer: `invoke logs --lambda manager`, or `neurocaas explain`",  # noqa: E501
        "describe-certificate": "On your computer: `neurocaas explain`; the text is logs/certificate.txt of the job",  # noqa: E501
        "describe-datasets": "On your computer: `neurocaas status`",
        "describe-datastatus": "On your computer: `neurocaas status`, and `neurocaas logs` for what the script printed",  # noqa: E501
        "poll-analysis": "On your computer: `neurocaas follow`, then `neurocaas results`",
    },
    "remote": {
        "launch-devinstance": _INSTANCE.format("launch"),
        "assign-instance": _INSTANCE.format("assign"),
        "select-instance": _INSTANCE.format("assign"),
        "list-instances": _INSTANCE.format("state"),
        "start-devinstance": _INSTANCE.format("start"),
        "stop-devinstance": _INSTANCE.format("stop"),
        "terminate-devinstance": _INSTANCE.format("terminate"),
        "get-ip": _INSTANCE.format("ip"),
        "get-lifetime": _INSTANCE.format("lifetime"),
        "extend-lifetime": _INSTANCE.format("extend"),
        "submit-job": _INSTANCE.format("submit"),
        "job-status": _INSTANCE.format("status"),
        "job-output": _INSTANCE.format("output"),
        "create-devami": _INSTANCE.format("create-ami"),
        "update-blueprint": _INSTANCE.format("update-blueprint"),
        "develop-remote": "There are no sessions any more; on your computer: `invoke dev.launch`",
        "start-session": "There are no sessions any more; on your computer: `invoke dev.launch`",
        "end-session": "There are no sessions any more; on your computer: `invoke dev.terminate`",
    },
}
"""Group, command in it (None: the group is the command), what to do."""
