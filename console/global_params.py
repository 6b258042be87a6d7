"""`global_params_initialized.json` of the first implementation, for tools that still read it: the outputs of
`utils` by the old names.
"""

from collections.abc import Mapping
from typing import Any

from console.errors import UserError

DEFAULTS: Mapping[str, Any] = {
    "EXECUTION_TIMEOUT": 900,
    "SSM_TIMEOUT": 172000,
    "LAUNCH": True,
    "LOGFILE": "lambda_log.txt",
    "DEPLOY_LIMIT": 100,
    "MAXCOST": "300",
    "MONITOR": True,
}
"""Settings of that file which blueprints have taken over. Nothing of this project reads them; the values are
the old defaults.
"""


def global_params(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The file's content. Roles that an analysis has of its own now (the manager's) are named by the shared
    one that is nearest.
    """
    if outputs.get("kind") != "utils":
        raise UserError(
            "--format global-params for an analysis",
            "the stack utils",
            "invoke outputs utils --format global-params",
        )
    directories = (
        "input_directory",
        "output_directory",
        "log_directory",
        "config_directory",
        "submission_directory",
    )
    return {
        **DEFAULTS,
        **{name: outputs[name] for name in directories},
        "bucketname": outputs["artifact_bucket"],
        "lambdarolename": _role(outputs["monitor_role_arn"]),
        "ssmrolename": outputs["developer_instance_profile"],
        "ec2rolename": _role(outputs["developer_role_arn"]),
        "securitygroupdevname": outputs["developer_security_group_name"],
        "securitygroupdeployname": outputs["security_group_name"],
    }


def _role(arn: str) -> str:
    return arn.rpartition("/")[2]
