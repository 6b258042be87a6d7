"""The agent: follows one run of an analysis script, reports on it, ends it at its limit, and writes the final
status.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from neurocaas.protocol.documents import dumps, iso
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.resources import RESOURCES_SUFFIX
from neurocaas.protocol.status import FAILED, IN_PROGRESS, NONE, SUCCESS, TEXT_CHARS, DatasetStatus

from . import measure, processes
from .checkpoint import Checkpoint
from .context import UPDATE, Context, service_files
from .ending import REFUSED, Ending, disk_full, reason
from .hold import wait_to_be_held
from .log_pieces import LogPieces
from .logs import ScriptLog
from .memory import Memory
from .pace import Pace
from .reporter import Reporter
from .said import said
from .spot import SpotNotice
from .stop import StopWatch
from .storage import Location, Storage
from .transfer import RESULT, Moved, Transfer, outdated_input, read_record
from .unsent import unsent
from .usage import Usage

TICK = 0.5
"""Seconds between two looks at the logs and the watch."""

STATUS_EVERY, HEARTBEAT = 2.0, 30.0
"""Seconds between two uploads of the status: at least, when it changed; at most, when only the measurements
did.
"""

WARNING_AT = 0.8
GRACE = 30.0
"""Seconds between TERM and KILL for a script that is over its time."""

CHECKPOINT_EVERY = 15.0
"""Seconds between two savings of the checkpoint folder, once AWS has said that it takes the machine back."""

_COMMANDS_MAX = 1 << 20
_MEASURED = ("cpu_usage", "memory_usage", "disk_usage", "gpu_usage", "updated", "eta_seconds", "used")


class ScriptWatch:
    """`logs` holds joboutput.txt and joberror.txt; `state` what the parts of a job leave for each other:
    `commands` (the shell's record), `files` (the transfers' record), `exit` (the script's exit code), `sent`
    (how far logs were sent)."""

    def __init__(
        self, context: Context, logs: Path, state: Path, storage: Storage, *, grace: float = GRACE
    ) -> None:
        self.context = context
        self.state = state
        self.storage = storage
        self.reporter = Reporter(storage)
        self.logs = {"stdout": ScriptLog(logs / "joboutput.txt"), "stderr": ScriptLog(logs / "joberror.txt")}
        self._local = (logs / "ncap_utils" if (logs / "ncap_utils").is_dir() else logs) / "statusdict.json"
        self._status = DatasetStatus(
            IN_PROGRESS, context.inputpath, context.instance, command=context.command, job_start=_now()
        )
        self._processor, self._gpu, self._gpu_text, self._gpu_asked = (
            measure.Processor(),
            measure.Gpu(),
            NONE,
            0.0,
        )
        self._begin, self._pace = time.monotonic(), Pace()
        self._exit: int | None = None
        self._ending = Ending(grace)
        self._memory = Memory(state / "memory")
        self._usage = Usage(logs, lambda: self._gpu_text)
        self._resources_at = 0.0
        self._lost: list[str] = []
        self._warned = False
        self._stop = StopWatch(storage, context.stop)
        place = context.log_place(f"{context.name}/checkpoint")
        self._checkpoint, self._checkpoint_at = (
            Checkpoint(storage, context.checkpoint, place, context.attempt, context.checkpoint_bytes),
            0.0,
        )
        self._saved_at, self._checkpoint_fault = time.monotonic(), ""
        self._spot = SpotNotice() if context.instance != NONE else None
        self._shown: dict[str, Any] = {}
        self._shown_at = -HEARTBEAT
        self._pieces = LogPieces(
            self.reporter,
            self.logs,
            context.log_place(context.name),
            state / "sent",
            context.attempt,
            context.log_bytes,
        )

    def run(self, control: int) -> int:
        """Watch until `control` (a pipe from run_main.sh) says `exit CODE`, or ends because run_main.sh was
        killed.
        """
        heard = b""
        while self._exit is None:
            if select.select([control], [], [], TICK)[0]:
                data = os.read(control, 4096)
                if not data:
                    return self._abandoned()
                heard += data
                *lines, heard = heard.split(b"\n")
                for line in lines:
                    self._hear(line.decode())
            if self._exit is None:
                self._tick()
        return self.finish()

    def finish(self) -> int:
        """Send everything that is left, the final status last. 0, or 3 when it could not be sent (then it is
        on stderr).
        """
        if self._exit is None:
            with suppress(OSError, ValueError):
                self._exit = int((self.state / "exit").read_text())
        self._end_rest()
        # whatever the script made of it
        self._ending.because = self._ending.because or outdated_input(self.state / "files") or None
        self._send_logs()
        self._send_rest()
        self._send_logs()  # with what was said about the rest
        self._send_resources()
        self._status = replace(
            self._status,
            last_command=self._last_command(),
            uploaded=len(self._results()),
            used=self._usage.used(self.state / "files"),
            idle_since=NONE,
        )
        good = self._exit == 0 and not self._ending.because and not self._lost
        if not good and not self._ending.begun and self._spot and self._spot.time:
            # not final: there will be another attempt
            self._interruption(time.monotonic() + CHECKPOINT_EVERY)
        else:
            verdict = {"status": SUCCESS, "reason": NONE} if good else {"status": FAILED, **self._failure()}
            if verdict.get("out_of_memory"):  # a larger machine may go on from here
                self._checkpoint.save()
            self._status = replace(self._status, **verdict, exit_code=self._exit, job_finish=_now())
            if not good and self._exit and not self._ending.because and not verdict.get("out_of_memory"):
                wait_to_be_held(self.context, self.state)
        text = self._report()
        if self.context.evidence:
            self.reporter.put(self.context.evidence.below("status.json"), text.encode())
        if self.reporter.close(self.context.patience):
            return 0
        sys.stderr.write(
            f"NeuroCAAS: the final status could not be sent to {self.context.status_place}:\n{text}"
        )
        return 3

    def _hear(self, line: str) -> None:
        word, *numbers = line.split()
        # and the machine's uptime when it was started: the agent itself needed some time, and clocks can jump
        if word == "pid":
            self._ending.group = int(numbers[0])
            age = max(0.0, measure.uptime() - float(numbers[1])) if len(numbers) > 1 else 0.0
            self._begin = time.monotonic() - age
            self._status = replace(
                self._status, job_start=iso(datetime.now(timezone.utc) - timedelta(seconds=age))
            )
        elif word == "exit":
            self._exit = int(numbers[0])

    def _abandoned(self) -> int:
        """Do what run_main.sh would have done after the script."""
        self._ending.because = "run_main.sh was killed while the script ran"
        if self._ending.kill(signal.SIGTERM):
            time.sleep(min(self._ending.grace, 5.0))
            self._ending.kill(signal.SIGKILL)
        code = self.finish()
        for folder in (self.state, self.context.outputs, self.context.checkpoint):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
        return code

    def _tick(self) -> None:
        now = time.monotonic()
        self._watchdog(now)
        self._save_checkpoint(now)
        self._interruption(now)
        self._look(now)
        for log in self.logs.values():
            log.poll()
        self._pieces.send()
        if now - self._shown_at >= STATUS_EVERY:
            document = self._document()
            same = {name: value for name, value in document.items() if name not in _MEASURED}
            if same != self._shown or now - self._shown_at >= HEARTBEAT:
                self._shown, self._shown_at = same, now
                self._report(document)

    def _look(self, now: float) -> None:
        """At what the machine uses; once a point is full, its course is sent."""
        if self._usage.look(now):
            self._status = replace(self._status, idle_since=self._usage.idle_since or NONE)
            self._tell_idle()
            if 0 < self.context.idle <= self._usage.idle_seconds and not self._ending.begun:
                self._end_idle(now)
            if now - self._resources_at >= self._usage.every:
                self._resources_at = now
                self._send_resources()

    def _end_idle(self, now: float) -> None:
        if self._ending.group is not None:
            why = f"idle for {self._usage.idle_seconds / 60:.0f} minutes: the machine did next to nothing"
            self._say(f"NeuroCAAS: {why}; the analysis ends such scripts (idle in its blueprint).")
            self._ending.begin(why, now)

    def _tell_idle(self) -> None:
        """Once: the service looks there from time to time."""
        if self._usage.idle_since and not self._usage.idle_told:
            self._usage.idle_told = True
            minutes = self._usage.idle_seconds / 60
            self._say(
                f"NeuroCAAS: for {minutes:.0f} minutes this machine has done next to nothing (processor, "
                "disk, network); it is paid all the same."
            )
            if self.context.evidence:
                self.reporter.put(
                    self.context.evidence.below("idle.json"),
                    dumps({"since": self._usage.idle_since}).encode(),
                )

    def _send_resources(self) -> None:
        """What the machine has used over time, for people."""
        found = self._usage.resources(self.context.name, self.context.instance, self.context.attempt)
        place = self.context.log_place(f"{self.context.name}{RESOURCES_SUFFIX}")
        self.reporter.put(place, found.to_json().encode())

    def _save_checkpoint(self, now: float) -> None:
        """Save what the script keeps for a later attempt, in the background; say once why it cannot be."""
        every = self.context.checkpoint_every
        if every and now - self._saved_at >= every and self._checkpoint.begin():
            self._saved_at = now
        if self._checkpoint.fault and not self._checkpoint_fault:
            self._checkpoint_fault = self._checkpoint.fault
            self._say(f"NeuroCAAS: the checkpoint is not saved: {self._checkpoint_fault}.")

    def _interruption(self, now: float) -> None:
        if not (self._spot and self._spot.time) or now - self._checkpoint_at < CHECKPOINT_EVERY:
            return
        first, self._checkpoint_at = not self._checkpoint_at, now
        fault = self._checkpoint.save()
        # the monitor sets aside what an attempt has written by its record, and the end may come any moment
        self._send_record()
        saved = f"the checkpoint could not be saved: {fault}" if fault else "the checkpoint is saved"
        why = f"interrupted: AWS takes this spot machine back at {self._spot.time}; {saved}"
        self._status = replace(self._status, reason=why)
        if first:
            self._say(f"NeuroCAAS: {why}.")

    def _watchdog(self, now: float) -> None:
        limit, used = self.context.duration, now - self._begin
        if self._ending.group is None:
            return
        self._ending.tick(now)
        if self._stop.order and not self._ending.begun:
            self._say(f"NeuroCAAS: this job is stopped ({self._stop.order.text}).")
            self._ending.begin(self._stop.order.text, now)
        if limit is None:
            return
        if not self._warned and used >= WARNING_AT * limit:
            self._warned = True
            self._say(
                f"NeuroCAAS: {used / 60:.1f} of the {limit / 60:g} minutes of this job are over; it "
                "will be ended at its limit."
            )
        if used >= limit and not self._ending.begun:
            self._ending.begin(f"timed out after {limit / 60:g} minutes", now)
            self._say(
                f"NeuroCAAS: {self._ending.because}. Set a longer __duration__ (minutes) in the "
                "configuration to give it more."
            )

    def _say(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        with suppress(OSError), self.logs["stderr"].path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _failure(self) -> dict[str, Any]:
        """Why the dataset has failed, as fields of the status."""
        lines = self.logs["stderr"].tail().values()
        refused = next((line for line in lines if line.startswith(REFUSED)), None)
        words = NONE if self._exit == 0 or refused else said(self.logs["stderr"].text())
        short = not self._ending.because and self._memory.ran_out(
            self._exit, words, own_machine=self.context.instance != NONE
        )
        why = self._ending.because or (self._lost[0] if self._exit == 0 else None)
        why = why or reason(
            self._exit, words, self._status.last_command, refused, short, self.logs["stdout"].path.parent
        )
        full = not self._ending.because and disk_full(words, self.logs["stdout"].path.parent)
        return {"reason": why[:TEXT_CHARS], "said": words, "out_of_memory": short, "disk_full": full}

    def _last_command(self) -> str:
        path = self.state / "commands"
        with suppress(OSError), path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8192))
            commands = file.read().rstrip(b"\0").rpartition(b"\0")[2]
            if size > _COMMANDS_MAX:  # the shell appends, so it goes on at the new end
                file.truncate(0)
            if commands:
                return commands.decode("utf-8", "replace")[:1000]
        return self._status.last_command

    def _document(self) -> dict[str, Any]:
        now = time.monotonic()
        self._status = replace(
            self._status,
            last_command=self._last_command(),
            cpu_usage=self._processor.usage(),
            memory_usage=measure.memory(),
            stdout=self.logs["stdout"].tail(),
            stderr=self.logs["stderr"].tail(),
            checkpoint=self._checkpoint.time or NONE,
            updated=_now(),
            **self._progress(now),
        )
        if now - self._gpu_asked >= HEARTBEAT or not self._gpu_asked:
            self._gpu_text, self._gpu_asked = self._gpu.usage(), now
        document: dict[str, Any] = asdict(self._status)
        document.update(
            attempt=self.context.attempt,
            disk_usage=measure.disk(self.logs["stdout"].path.parent),
            gpu_usage=self._gpu_text,
        )
        return document

    def _progress(self, now: float) -> dict[str, Any]:
        """The script's last mark, and about what is left."""
        mark = self.logs["stdout"].progress or self.logs["stderr"].progress
        if not mark:
            return {}
        value, text = mark
        left = None if self._status.final else self._pace.left(value, now - self._begin)
        return {"progress": value, "progress_text": text or NONE, "eta_seconds": left}

    def _report(self, document: dict[str, Any] | None = None) -> str:
        text = dumps(document or self._document())
        self.reporter.put(self.context.status_place, text.encode())
        with suppress(OSError):
            self._local.write_text(text, encoding="utf-8")
        return text

    def _send_logs(self) -> None:
        for log in self.logs.values():
            log.poll()
        self._pieces.send(everything=True)

    def _send_rest(self) -> None:
        """What goes with the final status. Nothing that goes wrong here may keep the final status from being
        written.
        """
        steps = {
            "all results": self._send_outputs,
            "the record of transfers": self._send_record,
            "the configuration": self._send_config,
        }
        for what, step in steps.items():
            try:
                step()
            except Exception as error:  # noqa: BLE001
                self._say(f"NeuroCAAS: {what} could not be saved: {error}")
                if step == self._send_outputs:
                    self._lost.append(f"results could not be uploaded: {error}")

    def _end_rest(self) -> None:
        """Of the script nothing may run any more when its results are read: what run_main.sh did not see end,
        by the mark that it has.
        """
        if ended := processes.end(lambda: processes.marked(f"NEUROCAAS_STATE={self.state}")):
            self._say(processes.told(ended))

    def _send_outputs(self) -> None:
        """What is in the output folder when the script has ended, but for what it has uploaded from there
        itself.
        """
        folder = self.context.outputs
        if folder and folder.is_dir():
            transfer = Transfer(self.storage, self.state / "files")
            with unsent(folder, self.context.result_place(), self._results(), self.state) as rest:
                transfer.upload(rest, self.context.result_place(), taken=service_files(os.environ))

    def _results(self) -> list[Moved]:
        with suppress(OSError, ValueError, TypeError):  # scripts can reach the record
            return [item for item in read_record(self.state / "files") if item.kind == RESULT]
        return []

    def _send_record(self) -> None:
        """Size and SHA-256 of all that was moved, for the job's certificate."""
        moved = [asdict(item) for item in read_record(self.state / "files")]
        if changed := [item["key"] for item in moved if item["changed"]]:
            self._lost.insert(
                0,
                "results that changed while they were uploaded: "
                f"{', '.join(map(self._shown_key, changed[:5]))}",
            )
        if moved:
            record = {
                "schema_version": 1,
                "dataset": self.context.name,
                "inputs": [item for item in moved if item["kind"] != RESULT],
                "results": [item for item in moved if item["kind"] == RESULT],
            }
            places = [self.context.log_place(f"{self.context.name}_files.json")]
            if self.context.evidence:
                places.append(self.context.evidence.below("files.json"))
            for place in places:
                self.reporter.put(place, dumps(record).encode())

    def _shown_key(self, key: str) -> str:
        """Below the folder of results, where it is there."""
        return one_line(key.removeprefix(f"{self.context.results.key}/"), 200)

    def _send_config(self) -> None:
        """The config as it was used, and the mark that results are there (the guide's lines 56 and 57)."""
        context = self.context
        self.reporter.put(context.result_place(UPDATE), b"update results.\n")
        body = self.storage.read(Location.parse(context.configpath, context.bucket))
        self.reporter.put(context.result_place(context.configname), body)


def _now() -> str:
    return iso(datetime.now(timezone.utc))
