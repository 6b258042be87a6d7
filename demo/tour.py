"""The tour itself: phases in order, each timed, each saying what it did."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3

from account.clients import client
from console.cloud import lay_over, running_local
from console.engine import Engine
from console.errors import UserError, message
from console.stacks import all_stacks
from demo import machines
from demo.samples import SAMPLES, TourSample
from demo.summary import AnalysisResult, TourPhase, dataset_results, write
from localcloud.paths import Paths
from localcloud.running import Cloud
from neurocaas import Analysis, JobHandle, JobState
from neurocaas.protocol.units import duration
from neurocaas.view import board

GROUP = "debuggers"
LONGEST_JOB = 1800.0
"""Seconds after which a job of the tour counts as stuck; the samples take seconds to a few minutes."""


class Tour:
    """One run. `results` is the folder for the results and summary.json."""

    def __init__(self, root: Path, results: Path) -> None:
        self.root, self.results = root, results
        self.paths = Paths.find(root)
        self.phases: list[TourPhase] = []
        self.outputs: dict[str, dict[str, Any]] = {}

    def run(self) -> int:
        """The exit code: 0 when every dataset of every analysis succeeded."""
        with self._phase("recordings"):  # before all that takes minutes: they may have to be fetched
            samples = {
                sample.analysis: sample.data(self.root, self.paths.home / "samples" / sample.analysis)
                for sample in SAMPLES
            }
        with self._phase("local cloud"):
            self._start_cloud()
        engine = Engine(self.root)
        for stack in ("utils", *(sample.stack for sample in SAMPLES)):
            with self._phase(f"deploy {stack}"):
                self._deploy(engine, stack)
        for sample in SAMPLES:
            if sample.baked:
                self._bake(engine, sample)
        with self._phase("data"):
            jobs = {sample.analysis: self._submit(sample, samples[sample.analysis]) for sample in SAMPLES}
        with self._phase("jobs"):
            states = self._follow(jobs)
        with self._phase("results"):
            results = {
                sample.analysis: self._collect(sample, jobs[sample.analysis], states[sample.analysis])
                for sample in SAMPLES
            }
        write(self.results / "summary.json", "local", self.phases, results)
        return self._report(results, states)

    def _start_cloud(self) -> None:
        from localcloud import cloud
        from localcloud.pulumi import environment

        running = cloud.up(self.paths)
        environment.prepare(self.paths, self.root, running, all_stacks(self.root))
        choice = running_local(self.root)
        if choice is None:
            raise UserError(
                "the local cloud went down again",
                "a local cloud that stays up",
                "read its log: `invoke local.logs emulator`",
            )
        lay_over(os.environ, choice.variables)
        self._say(f"{running.endpoint}, machines: {running.sandbox}")

    def _deploy(self, engine: Engine, stack: str) -> None:
        done = engine.up(stack, self.paths.logs / f"pulumi-{stack}.log")
        self.outputs[stack] = engine.outputs(stack)
        self._say(done.text())

    def _bake(self, engine: Engine, sample: TourSample) -> None:
        from image_builder.baking import Baking, Options
        from image_builder.commands import clients_of
        from image_builder.pipeline import Target
        from image_builder.report import BakeReport

        with self._phase(f"bake {sample.analysis}"):
            target = Target.from_outputs(sample.stack, self.outputs[sample.stack])
            # The tour is no work on the analysis: only the image's id is written, and nothing is committed.
            baking = Baking(
                self.root, target, clients_of(target.region), BakeReport(sys.stdout), Options(keep=False)
            )
            preview = baking.preview()
            self._say(preview.plan.why)
            image = baking.run(preview)["image_id"]
        if image != self.outputs[sample.stack]["image_id"]:
            with self._phase(f"deploy {sample.stack} with its image"):
                self._deploy(engine, sample.stack)

    def _submit(self, sample: TourSample, data: list[Path]) -> JobHandle:
        bucket = str(self.outputs[sample.stack]["bucket"])
        analysis = Analysis(bucket, GROUP)
        keys = analysis.upload(data)
        job = analysis.submit(keys, dict(sample.config))
        self._say(
            f"{sample.analysis}: {len(keys)} dataset{'s' if len(keys) > 1 else ''} submitted as job "
            f"{job.timestamp}"
        )
        return job

    def _follow(self, jobs: Mapping[str, JobHandle]) -> dict[str, JobState]:
        """Both jobs until both have ended, on one board."""
        states: dict[str, JobState] = {}
        deadline = time.monotonic() + LONGEST_JOB
        with board() as shown:
            while len(states) < len(jobs):
                self.require_cloud()
                for title, job in jobs.items():
                    if title not in states:
                        state = job.status()
                        shown.show(title, state)
                        if state.finished or time.monotonic() > deadline:
                            states[title] = state
                time.sleep(0.3)
        return states

    def require_cloud(self) -> None:
        """Raises UserError when a process of the local cloud has ended: its jobs would never."""
        running = Cloud.load(self.paths)
        gone = (
            "emulator"
            if running is None
            else "fleet"
            if running.fleet is None or not running.fleet.alive()
            else None
        )
        if gone is not None:
            raise UserError(
                f"the local cloud's {gone} has ended while jobs were running",
                "a local cloud that stays up",
                f"read its log (`invoke local.logs {gone}`), then run the same command again: it starts "
                "what is missing",
            )

    def _collect(self, sample: TourSample, job: JobHandle, state: JobState) -> AnalysisResult:
        folder = self.results / sample.analysis
        machines.clear(folder)
        files = [replace(one, path=f"{sample.analysis}/{one.path}") for one in job.fetch(folder)]
        if state.phase != "DONE":
            return AnalysisResult(sample.stack, job.bucket, GROUP, job.timestamp, "", state.phase, [], files)
        ended = machines.await_end(
            boto3.client("ec2"), client("s3"), job.bucket, GROUP, [d.instance for d in state.datasets]
        )
        record = job.job()
        image = ended.images.get(state.datasets[0].instance, record.image.id)
        outcome = "SUCCESS" if state.succeeded else "FAILED"
        return AnalysisResult(
            sample.stack,
            job.bucket,
            GROUP,
            job.timestamp,
            image,
            outcome,
            dataset_results(state, record, ended.reports),
            files,
        )

    def _report(self, results: Mapping[str, AnalysisResult], states: Mapping[str, JobState]) -> int:
        failed = [name for name, state in states.items() if not state.succeeded]
        for sample in SAMPLES:
            result = results[sample.analysis]
            self._say(f"\n{sample.analysis}  {result.outcome}  job {result.job}  image {result.image}")
            for dataset in result.datasets:
                cost = "" if dataset.cost_usd is None else f"  would cost ${dataset.cost_usd:.4f}"
                self._say(
                    f"  {dataset.name}: {dataset.outcome} on {dataset.instance} ({dataset.instance_type})"
                    f" in {duration(dataset.machine_seconds)}{cost}"
                )
            for line in sample.numbers(self.results / sample.analysis):
                self._say(f"  {line}")
        if len(self.phases) > 1:
            self._say("\n" + "\n".join(f"{phase.seconds:8.1f} s  {phase.name}" for phase in self.phases))
        self._say(
            f"{sum(phase.seconds for phase in self.phases):8.1f} s  in all; "
            f"{self._shown(self.results / 'summary.json')}"
        )
        for name in failed:
            self._say(f"\n{name} did not succeed: {states[name].ending or states[name].phase}")
            for dataset in results[name].datasets:
                if dataset.outcome != "SUCCESS":
                    self._say(
                        f"  {dataset.name}: {dataset.reason or 'no reason was given'}; the end of the "
                        f"console of {dataset.instance}:"
                    )
                    self._say(
                        "".join(
                            f"    {line}\n"
                            for line in machines.console_tail(boto3.client("ec2"), dataset.instance)
                        )
                    )
        return 1 if failed else 0

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._say(f"== {name}")
        begun = time.monotonic()
        try:
            yield
        except Exception as error:
            if message(error) is not None:
                self._say(f"   failed after {time.monotonic() - begun:.1f} s")
            raise
        self.phases.append(TourPhase(name, round(time.monotonic() - begun, 2)))
        self._say(f"   {self.phases[-1].seconds:.1f} s")

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    @staticmethod
    def _say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
