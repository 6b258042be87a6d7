"""One sentence about a job, for every way in which it can wait, run or fail."""

from typing import Any

import pytest

from neurocaas.evidence import Evidence
from neurocaas.explain import explain
from neurocaas.protocol.certificate import EXIT_CLASSES
from neurocaas.states import DatasetState, JobState

WAITING = "\n".join(
    [
        "        [Internal (acquire_instances)] RESOURCE ERROR: machines: got Instances not launched.\t "
        "[+0:00:01.00]",
        "[Job Manager] Waiting for 2 of 3 environments: place 1 of 1 in the queue, until.\t [+0:00:01.00]",
        "[Job Manager] Waiting for 1 of 3 environments: place 2 of 4 in the queue, until.\t [+0:00:01.00]",
    ]
)


def dataset(state: str, **more: Any) -> DatasetState:
    return DatasetState(str(more.pop("name", "a")), "g/inputs/a", state, **more)


def job(phase: str, *datasets: DatasetState, end: str = "") -> JobState:
    return JobState("t1", phase, datasets, end)


FULL = WAITING.replace(
    "Instances not launched.",
    "no room for 1 of 3 machines: as many are running as the analysis, or the account, may have",
)
KILLED = "exit code 137: the script was killed by SIGKILL"
REFUSED = {
    "exit_class": "user",
    "problems": [{"field": "dataname", "got": "nothing", "allowed": "a path", "do": "Say which data"}],
}


@pytest.mark.parametrize(
    ("found", "sentence", "fix"),
    [
        (Evidence(job("SUBMITTED"), others=["t2"]), "There is no job t1", "neurocaas jobs"),
        (Evidence(job("SUBMITTED"), submitted=3.0), "waits for the manager", "wait a moment"),
        (Evidence(job("SUBMITTED"), submitted=300.0), "has had no answer", "is the stack deployed"),
        (Evidence(job("SUBMITTED"), submitted=300.0, dead=True), "set aside", "redrive"),
        (
            Evidence(job("SUBMITTED"), certificate="REQUEST START TIME", submitted=1.0),
            "is being checked",
            "wait",
        ),
        (
            Evidence(job("SUBMITTED"), certificate=WAITING, submitted=1.0),
            "waits for 1 of its 3 machines",
            "another instance_type",
        ),
        (
            Evidence(job("RUNNING", dataset("INITIALIZING")), certificate=WAITING),
            "(place 2 of 4 in the queue, until",
            "by itself",
        ),
        (
            Evidence(job("RUNNING", dataset("INITIALIZING")), age=20.0),
            "waits for its machines to start, which takes a minute",
            "wait",
        ),
        (Evidence(job("RUNNING", dataset("INITIALIZING")), age=2000.0), "longer than usual", "consoles"),
        (
            Evidence(job("RUNNING", dataset("IN PROGRESS", seconds=65.0, last_line="fitting"))),
            "1 of 1 datasets run",
            "",
        ),
        (Evidence(job("RUNNING", dataset("SUCCESS"))), "done but for its end", "wait about a minute"),
        (
            Evidence(job("REJECTED", end="FAILED 0/0"), facts=REFUSED),
            "was refused: dataname: got nothing; allowed: a path.",
            "Say which data",
        ),
        (
            Evidence(job("REJECTED", end="FAILED 0/0 gone")),
            "was refused: gone.",
            "correct the submission",
        ),
        (Evidence(job("DONE", dataset("SUCCESS"), end="SUCCESS 1/1")), "has succeeded", ""),
        (
            Evidence(
                job("DONE", dataset("FAILED", exit_code=3, last_line="no file"), end="FAILED 0/1"),
                facts={"exit_class": "analysis"},
            ),
            "has failed for 1 of 1 datasets: a: its script failed (exit code 3).",
            "neurocaas logs t1",
        ),
        (
            Evidence(
                job("DONE", dataset("FAILED", reason="timed out after 1 minutes"), end="FAILED 0/1"),
                facts={"exit_class": "timeout"},
            ),
            "a: it reached its time limit (timed out after 1 minutes).",
            "raise __duration__",
        ),
        (
            Evidence(job("RUNNING", dataset("INITIALIZING")), certificate=FULL),
            "because as many machines run as are allowed",
            "by itself",
        ),
        (
            Evidence(
                job("RUNNING", dataset("INITIALIZING"), dataset("IN PROGRESS")),
                age=90.0,
                pending=1,
                running=8,
            ),
            "is running: 1 of 2 datasets run, 1 wait",
            "",
        ),
        (
            Evidence(job("RUNNING", dataset("INITIALIZING")), age=90.0, pending=1, running=8),
            "waits for room: 1 of its machines",
            "others end",
        ),
        (
            Evidence(job("RUNNING", dataset("IN PROGRESS")), stop="cancelled: by x"),
            "is being ended: cancelled: by x.",
            "wait",
        ),
        (
            Evidence(
                job(
                    "DONE",
                    dataset("FAILED", reason=f"{KILLED}, its last command: a\n b", out_of_memory=True),
                    end="FAILED 0/1",
                ),
                types=["m5.xlarge"],
            ),
            "a: it ran out of memory (exit code 137: ",
            "--instance-type (there are m5.xlarge)",
        ),
        (
            Evidence(
                job(
                    "DONE", dataset("FAILED", reason=f"{KILLED} (often: not enough memory)"), end="FAILED 0/1"
                )
            ),
            "a: its script failed (exit code 137: ",
            "neurocaas logs t1",
        ),
        (
            Evidence(
                job(
                    "DONE",
                    dataset("FAILED", exit_code=1, last_error="cp: x: No space left on device"),
                    end="FAILED 0/1",
                )
            ),
            "a: its disk was full (exit code 1).",
            "__dataset_size__",
        ),
        (
            Evidence(
                job("DONE", dataset("FAILED", reason="cancelled: by x"), end="FAILED 0/1"),
                facts={"exit_class": "cancelled"},
            ),
            "a: it was cancelled (by x).",
            "submit again",
        ),
        (
            Evidence(
                job("DONE", dataset("FAILED", reason="why"), end="FAILED 0/1"),
                facts={"exit_class": "of a later version"},
            ),
            "the reason is not known to this client (why)",
            "neurocaas status t1 --certificate",
        ),
        (
            Evidence(
                job("DONE", dataset("INITIALIZING"), end="FAILED 0/1 no"),
                facts={"exit_class": "capacity", "problems": []},
            ),
            "has ended without a machine",
            "submit again later",
        ),
    ],
)
def test_each_case_has_its_sentence_and_its_fix(found: Evidence, sentence: str, fix: str) -> None:
    said = explain(found)
    assert sentence in said.sentence
    assert said.sentence.startswith(("Job t1 ", "There is no job t1"))
    assert said.sentence.endswith(".")
    assert "\n" not in said.sentence
    assert fix in said.fix
    assert bool(said.fix) == bool(fix)
    assert all(said.evidence)


@pytest.mark.parametrize("exit_class", [one for one in EXIT_CLASSES if one != "success"])
def test_every_exit_class_has_a_fix_of_its_own(exit_class: str) -> None:
    found = Evidence(
        job("DONE", dataset("FAILED", reason="why"), end="FAILED 0/1"), facts={"exit_class": exit_class}
    )
    assert "{" not in explain(found).fix
    other = explain(
        Evidence(job("DONE", dataset("FAILED"), end="FAILED 0/1"), facts={"exit_class": "nonesuch"})
    )
    assert explain(found).fix != other.fix
    assert explain(found).sentence != other.sentence


def test_what_went_to_standard_error_is_shown_before_what_was_printed() -> None:
    failed = dataset("FAILED", exit_code=1, last_line="epoch 3", last_error="ValueError: no signal")
    assert (
        "a printed last: ValueError: no signal"
        in explain(Evidence(job("DONE", failed, end="FAILED 0/1"))).evidence
    )


def test_similar_names_are_proposed() -> None:
    assert "t2, t3" in explain(Evidence(job("SUBMITTED"), others=["t2", "t3"])).sentence
