"""What an analysis script finds on its machine: the one list of it, of which docs/scripts.md is made (`invoke
docs`).

`tests/shell/test_script_page.py` keeps it true: what is listed is there in a run, and what is there is
listed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """An environment variable. `example`: its value for the dataset `lab/inputs/data.zip` of job 1."""

    name: str
    example: str
    meaning: str


@dataclass(frozen=True)
class Function:
    """A shell function of `ncap_utils/workflow.sh` or `transfer.sh`. `call` begins with its name."""

    call: str
    meaning: str

    @property
    def name(self) -> str:
        return self.call.partition(" ")[0]


VARIABLES = (
    Variable("bucketname", "dti", "The bucket that the job's paths are in."),
    Variable("groupdir", "lab", "The group whose job it is: the first folder of its paths."),
    Variable(
        "inputpath",
        "lab/inputs/data.zip",
        "The dataset: a file or a folder. Whole (`s3://…`) where it is in another bucket.",
    ),
    Variable("inputdir", "lab/inputs", "The folder that it is in."),
    Variable("dataname", "data.zip", "The dataset's own name. Two datasets of a job may have the same."),
    Variable(
        "configpath",
        "jobs/lab/job_1/configs/config.json",
        "The configuration, for `download`. Scripts read `$NEUROCAAS_CONFIG`.",
    ),
    Variable("configname", "config.json", "Its own name."),
    Variable("resultdir", "results/job_1", "The job's folder, below the group."),
    Variable(
        "processdir",
        "results/job_1/process_results",
        "Where results go, below the group: the last argument of `upload`.",
    ),
    Variable(
        "neurocaasrootdir",
        "/opt/neurocaas/code/…",
        "The deployed code. `/home/ubuntu/neurocaas_contrib` is a link to it.",
    ),
    Variable("userhome", "/home/ubuntu", "A home folder for the run. Write below it, or below `$TMPDIR`."),
    Variable(
        "NEUROCAAS_DATASET",
        "data.zip",
        "The dataset's name in reports: no other of the job has it. Name result folders by it.",
    ),
    Variable("NEUROCAAS_CONFIG", "/…/config.json", "The configuration as JSON: checked, defaults filled in."),
    Variable("NEUROCAAS_OUTPUT", "/…/output", "An empty folder for results: uploaded at the end."),
    Variable(
        "NEUROCAAS_PYTHON",
        "/usr/bin/python3",
        "The service's own Python: the standard library. Install nothing into it.",
    ),
    Variable(
        "NEUROCAAS_JOB_FILE",
        "/…/job.json",
        "The whole job: datasets, configuration, machine. Not set without a job.",
    ),
    Variable(
        "CHECKPOINT_DIR",
        "/…/checkpoint",
        "An empty folder for the script's state: saved while it works, and there again on a later machine.",
    ),
)
"""For scripts: they stay as they are."""

INTERNAL = (
    "NEUROCAAS_ACCOUNT",
    "NEUROCAAS_ATTEMPT", "NEUROCAAS_CLOCK_SKEW", "NEUROCAAS_COMBINATION", "NEUROCAAS_CONTRIB",
    "NEUROCAAS_DATASET_INDEX",
    "NEUROCAAS_DURATION_MINUTES",
    "NEUROCAAS_EVIDENCE", "NEUROCAAS_GROUP", "NEUROCAAS_INSTANCE_ID", "NEUROCAAS_LIBRARIES",
    "NEUROCAAS_LOCAL_BUCKET_ROOT",
    "NEUROCAAS_LOGS", "NEUROCAAS_OPT", "NEUROCAAS_PATIENCE", "NEUROCAAS_PINS", "NEUROCAAS_RUN_FOLDER",
    "NEUROCAAS_SCRIPT",
    "NEUROCAAS_STATE", "NEUROCAAS_STOP", "NEUROCAAS_USERHOME",
)  # fmt: skip
"""The service's own, which may change: no script should need them."""

ARGUMENTS = ("$bucketname", "$inputpath", "$resultdir", "$configpath")
"""The positional arguments of an analysis script."""

FUNCTIONS = (
    Function(
        "errorlog",
        "Stops the script at the first command that fails, and records each command for the report.",
    ),
    Function(
        "errorrep",
        "Records each command, stops at none, and prints the last one and its exit code at the end.",
    ),
    Function(
        "download PATH BUCKET FOLDER",
        "Copies a file into the folder, or a whole folder of the bucket to FOLDER/its name.",
    ),
    Function("download_folder PATH BUCKET FOLDER", "Copies what is below PATH into the folder."),
    Function(
        "upload PATH BUCKET GROUP RESULTDIR [ENDING]",
        "Copies a file, or what is in a folder, without files that end in `.ENDING`.",
    ),
    Function("accessdir FOLDER…", "Makes folders that everybody may read and write."),
    Function("cleanup PATH…", "Removes what is the run's own, and switches nothing off."),
    Function(
        "parseargsstd BUCKET INPUT RESULTDIR CONFIG",
        "Sets the variables, as they are set already; empty arguments change nothing.",
    ),
    Function("get_abs_filename PATH", "Prints the absolute path."),
)
"""Of `ncap_utils/workflow.sh` and `ncap_utils/transfer.sh`."""
