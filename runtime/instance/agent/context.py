"""Which dataset this is: from the environment that run_main.sh declares, and job.json where there is a
job.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neurocaas.protocol.log_gap import KEEP_MIB
from neurocaas.protocol.runs import CHECKPOINT_GIB, RunRules
from neurocaas.protocol.status import NONE
from neurocaas.protocol.typed_json import read

from .reporter import PATIENCE
from .storage import Location

END, UPDATE = "end.txt", "update.txt"
"""Files of the service among the results: the job's end, and the mark of a dataset that is done."""


@dataclass(frozen=True)
class Context:
    """`name` is the dataset's display name (unique in its job), `status_key` its status file. `duration` in
    seconds, None without a limit (run_main.sh called by hand). `outputs` is the folder whose content is kept
    when a script is ended before it could upload; `checkpoint` the one that outlives a spot machine. `stop`
    is where an order to stop appears; `evidence` is the folder in which the service takes this machine's word
    (None where there is no service); what goes to `logs` is for people. Reports go to `logs`, results to
    `results` (folders); `status_key` is a key of the bucket of `logs`. `patience` is for how many seconds the
    end waits for a service that is away. `log_bytes` are kept of each output; the checkpoint is saved every
    `checkpoint_every` seconds (0: only when AWS takes the machine back), where it has up to
    `checkpoint_bytes`; a machine whose script has failed stays for `hold` seconds; a script
    whose machine has done next to nothing for `idle` seconds is ended (0: it is not)."""

    bucket: str
    group: str
    logs: Location
    results: Location
    inputpath: str
    configpath: str
    configname: str
    stop: Location
    name: str
    status_key: str
    command: str
    instance: str = NONE
    attempt: int = 1
    duration: float | None = None
    outputs: Path | None = None
    checkpoint: Path | None = None
    patience: float = PATIENCE
    evidence: Location | None = None
    log_bytes: int = KEEP_MIB << 20
    checkpoint_every: float = 0.0
    checkpoint_bytes: int = CHECKPOINT_GIB << 30
    hold: float = 0.0
    idle: float = 0.0

    @property
    def status_place(self) -> Location:
        return Location(self.logs.bucket, self.status_key)

    def log_place(self, name: str) -> Location:
        return self.logs.below(name)

    def result_place(self, name: str = "") -> Location:
        return self.results.below(name)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Context:
        """Raises KeyError when run_main.sh's variables are missing. An unreadable job file counts as none:
        the analysis matters more than its frame."""
        group, resultdir, name = environment["groupdir"], environment["resultdir"], environment["dataname"]
        bucket, duration = environment["bucketname"], None
        home = result_place(bucket, group, resultdir)
        # A job's logs are below its group, wherever its results go.
        logs = Location.parse(environment.get("NEUROCAAS_LOGS") or str(home.below("logs")), bucket)
        status_key = logs.below(f"DATASET_NAME:{name}_STATUS.txt").key
        rules = RunRules()
        try:
            job = json.loads(Path(environment["NEUROCAAS_JOB_FILE"]).read_bytes())
            dataset = job["datasets"][int(environment["NEUROCAAS_DATASET_INDEX"])]
            name, status_key, duration = (
                str(dataset["name"]),
                str(dataset["status_key"]),
                float(job["duration_minutes"]) * 60,
            )
            rules = read(RunRules, job.get("runs") or {}, "runs")
        except (OSError, ValueError, LookupError, TypeError):
            if environment.get("NEUROCAAS_DURATION_MINUTES"):
                duration = float(environment["NEUROCAAS_DURATION_MINUTES"]) * 60
        arguments = [bucket, environment["inputpath"], resultdir, environment["configpath"]]
        script = environment.get("NEUROCAAS_SCRIPT", "")
        outputs, checkpoint = environment.get("NEUROCAAS_OUTPUT"), environment.get("CHECKPOINT_DIR")
        evidence = environment.get("NEUROCAAS_EVIDENCE")
        return cls(
            bucket=bucket,
            group=group,
            logs=logs,
            results=results_of(home, environment),
            inputpath=environment["inputpath"],
            configpath=environment["configpath"],
            configname=environment["configname"],
            stop=Location.parse(environment.get("NEUROCAAS_STOP") or str(logs.below("stop.json")), bucket),
            name=name,
            status_key=status_key,
            command=shlex.join(["bash", "run_main.sh", *arguments, script]),
            instance=environment.get("NEUROCAAS_INSTANCE_ID") or NONE,
            attempt=int(environment.get("NEUROCAAS_ATTEMPT") or 1),
            duration=duration,
            outputs=Path(outputs) if outputs else None,
            checkpoint=Path(checkpoint) if checkpoint else None,
            patience=float(environment.get("NEUROCAAS_PATIENCE") or PATIENCE),
            evidence=Location(logs.bucket, evidence.rstrip("/")) if evidence else None,
            log_bytes=rules.log_mib << 20,
            checkpoint_every=rules.checkpoint_minutes * 60.0,
            checkpoint_bytes=rules.checkpoint_gib << 30,
            hold=rules.hold_minutes * 60.0,
            idle=rules.idle_minutes * 60.0,
        )


def service_files(environment: Mapping[str, str]) -> frozenset[str]:
    """The keys among a job's results that the service writes itself; none outside of a job."""
    if not {"bucketname", "groupdir", "resultdir", "configname"} <= environment.keys():
        return frozenset()
    results = results_of(
        result_place(environment["bucketname"], environment["groupdir"], environment["resultdir"]),
        environment,
    )
    names = (END, UPDATE, environment["configname"])
    return frozenset(results.below(name).key for name in names if name)


def results_of(home: Location, environment: Mapping[str, str]) -> Location:
    """Where the results of this dataset go: in a sweep each combination has a folder of its own."""
    combination = environment.get("NEUROCAAS_COMBINATION")
    results = home.below("process_results")
    return results.below(combination) if combination else results


def result_place(bucket: str, group: str, resultdir: str) -> Location:
    """Where the folder `resultdir` is: below the group, unless it is a whole s3://bucket/path."""
    whole = resultdir.startswith("s3://")
    return Location.parse(
        resultdir.rstrip("/") if whole else f"{group.strip('/')}/{resultdir.strip('/')}", bucket
    )
