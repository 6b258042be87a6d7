"""An analysis as one group uses it: a bucket, a folder in it, and jobs."""

import contextlib
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from neurocaas import access, checks, configs, data_checks, given, own_jobs
from neurocaas.advice import Advice, advise
from neurocaas.bucket import AT_ONCE, Bucket, s3_client
from neurocaas.budget import Budget, budget_left
from neurocaas.errors import AnalysisError, every, raise_all
from neurocaas.evidence import Evidence, gather
from neurocaas.forecast import LATEST, Forecast, all_runs, dearest, estimate, volume_gib
from neurocaas.formats.dandi import SCHEME as DANDI
from neurocaas.formats.dandi import resolved
from neurocaas.formats.file_tree import FileTree
from neurocaas.job import JobHandle
from neurocaas.job_list import JobList
from neurocaas.learned import known_sizes, warnings
from neurocaas.listing import ListedJob, listing, resolve
from neurocaas.lookup import BucketOfAnalysis, find
from neurocaas.notebook_html import facts
from neurocaas.notes import note
from neurocaas.progress import SILENT, Progress
from neurocaas.protocol.addresses import HTTPS, is_address
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import CONFIGS, JOBS, JobKeys, rejected_keys
from neurocaas.protocol.names import GROUP_NAME, TIMESTAMP
from neurocaas.protocol.outside import SCHEME, place_of
from neurocaas.protocol.owner import expect_owner
from neurocaas.protocol.published_settings import About, about_key
from neurocaas.protocol.submission import REQUEST
from neurocaas.spending import GroupSpending, month_of, spending
from neurocaas.states import DatasetState
from neurocaas.timestamps import new_timestamp as new_timestamp
from neurocaas.timestamps import now as now
from neurocaas.uploads import UploadContent, Uploads


class Analysis:
    """An analysis for the members of one group.

    `name`: the analysis's, for the most released stage that the group has; or `<analysis>-<stage>`; or the
    name of its bucket. It is looked up when it is first needed. `session` is a boto3 session; without it, it
    is that of `neurocaas.access`: the shell's credentials, else those of `neurocaas login`.
    """

    def __init__(self, name: str, group: str, *, session: Any = None) -> None:
        if not GROUP_NAME.fullmatch(group):
            raise AnalysisError(
                f"{group!r} as the name of a group",
                GROUP_NAME.pattern,
                "use the group's name as the administrator gave it",
            )
        self.name, self.group = name, group
        self.session = session or access.session(group=group)
        self.s3 = self.client()

    def __repr__(self) -> str:
        return f"<analysis {self.name} for the group {self.group}>"

    def _repr_html_(self) -> str:
        known = self.__dict__.get("_found")
        rows = [("group", self.group), *([("bucket", known.bucket)] if known else [])]
        return facts(rows, f"analysis {self.name}")

    @cached_property
    def _found(self) -> BucketOfAnalysis:
        return find(self.session, self.group, self.name, partial(s3_client, self.session))

    @property
    def bucket(self) -> str:
        """The bucket's name. Raises AnalysisError for an analysis that the group has not."""
        return self._found.bucket

    @cached_property
    def objects(self) -> Bucket:
        """What is in the bucket."""
        return Bucket(self.s3, self.bucket)

    def client(self) -> Any:
        """A client of S3 that expects the analysis's bucket to be the account's, and says nothing of others:
        a registered outside bucket may be anybody's."""
        return expect_owner(
            s3_client(self.session), lambda: self._found.account, ours=lambda one: one == self.bucket
        )

    def upload(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        each: bool = False,
        say: Callable[[str], None] = note,
        progress: Progress = SILENT,
    ) -> list[str]:
        """Upload files and folders to the group's `inputs/` and return their keys, which is what `submit`
        takes; those of folders end in '/'. With `each`, the keys of a folder's files in place of its own:
        each is a dataset then.

        Nothing that is there is replaced: what has the same content is not sent again, and where a name has
        other content, the file goes to a folder of its own, which `say` is told (by default standard error),
        see `neurocaas.uploads`. Two files of one name are refused before anything is uploaded, as is a
        missing one; when one cannot be uploaded, the others are. An upload that was interrupted goes on where
        it stopped.
        """
        found = self.upload_all(paths, each=each, say=say, progress=progress)
        return [key for keys in found for key in keys]

    def upload_all(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        each: bool = False,
        progress: Progress = SILENT,
        say: Callable[[str], None] = note,
    ) -> list[list[str]]:
        """`upload` with the keys of each path apart."""
        files = [Path(path) for path in given.paths(paths, "upload")]
        raise_all(checks.files([str(path) for path in files]))
        uploads = Uploads(self.objects, self.client, self.group, say, progress)
        folders = [path for path in files if path.is_dir()]
        about = self.about() if folders else None
        ignore = about.ignore if about else ()
        apart = each or (about is not None and about.folder == "each")
        single = [path for path in files if path not in folders]
        keys = dict(zip(single, ([key] for key in uploads.files(single)), strict=True))
        done = every(partial(uploads.folder, path, ignore, each=apart) for path in folders)
        for path, folder in zip(folders, done, strict=True):
            keys[path] = folder.files if each else [folder.key]
        return [keys[path] for path in files]

    def upload_trees(
        self,
        trees: Iterable[FileTree],
        *,
        progress: Progress = SILENT,
        say: Callable[[str], None] = note,
    ) -> list[str]:
        """Upload datasets of several files that are chosen out of larger folders
        (`neurocaas.formats.bids.choose`), and return their keys. Like `upload`, it replaces nothing, and what
        is there already is not sent again.
        """
        uploads = Uploads(self.objects, self.client, self.group, say, progress)
        return every(partial(uploads.tree, tree.name, tree.files, tree.name) for tree in trees)

    def upload_config(
        self,
        config: Mapping[str, Any] | str | os.PathLike[str],
        name: str | None = None,
        *,
        say: Callable[[str], None] = note,
    ) -> str:
        """Put a config (a mapping, or a JSON or YAML file) into the group's `configs/` and return its key.
        Like `upload`, it replaces nothing."""
        raise_all(given.config(config))
        if isinstance(config, Mapping):
            body, name = configs.text_of(config).encode(), name or "config.json"
        else:
            path = Path(config)
            if not path.is_file():
                raise AnalysisError(
                    f"no such config file: {path}", "a JSON or YAML file, or a mapping", "check the path"
                )
            body, name = path.read_bytes(), name or path.name
        return Uploads(self.objects, self.client, self.group, say).put(UploadContent(body), CONFIGS, name)

    def submit(
        self,
        datanames: str | Iterable[str],
        config: Mapping[str, Any] | str | os.PathLike[str],
        timestamp: str | None = None,
        instance_type: str | None = None,
        resultpath: str | None = None,
        rerun_of: str | None = None,
        *,
        check: bool = True,
        after: str | None = None,
        after_when: str | None = None,
        run: str | None = None,
        wait: str | None = None,
        manifest: str | None = None,
    ) -> JobHandle:
        """Submit datasets (keys in the bucket) with one config, and return the job. One machine is started
        for each dataset.

        `config` is a key in the bucket, or a file here or a mapping, which is uploaded as the job's own
        config file.
        `timestamp` names the job (letters, digits, `.` `_` `:` `-`, at most 64), and no other submission may
        have it; by default the time of now. `instance_type` must be one that the analysis allows; by default
        the analysis's own. Data and config may be `s3://` paths, and `resultpath` the `s3://` path of a
        folder for the results, of buckets that the analysis's blueprint registers. `rerun_of`: the job whose
        image and code are used in place of those that are deployed now. `after`: an earlier job, which the
        service waits for; datanames `process_results/*.csv` are of its results then. It must have succeeded,
        unless `after_when` is "ended". `run`: "as-budget-allows" starts the datasets that the budget can pay
        now, the others as reservations are released; `wait`: how long the job may wait for machines or budget
        ("4h"; a quarter of an hour by default). `manifest`: the key of a file that lists the datasets in
        their place. The answer to the submission is in
        the job's certificate.

        First all is looked at that can be known now, and AnalysisError has everything that is wrong; nothing
        is uploaded then. Without `check` that is left to the service.
        """
        names = given.keys(datanames)
        wrong = given.config(config) + given.optional_texts(
            timestamp=timestamp,
            instance_type=instance_type,
            resultpath=resultpath,
            rerun_of=rerun_of,
            after=after,
            after_when=after_when,
            run=run,
            wait=wait,
        )
        if not names and not manifest:
            wrong.append(
                AnalysisError(
                    "no datasets", "one dataset or more", "name at least one key in the group's inputs/"
                )
            )
        raise_all(wrong)
        stamp = timestamp or new_timestamp(now())
        if not TIMESTAMP.fullmatch(stamp):
            raise checks.timestamp_error(stamp)
        if any(name.startswith((DANDI, HTTPS)) for name in names) and not rerun_of:
            names, wrong = resolved(names, self.about().input_addresses)
            raise_all(wrong)
        if check and not rerun_of and not manifest:
            self._check(
                [], names, config, stamp, instance_type, resultpath, after, after_when, run, wait, past=False
            )
        body: dict[str, Any] = {
            **({"manifest": manifest} if manifest else {"dataname": names}),
            "configname": self.job_config(config, stamp),
            "timestamp": stamp,
            REQUEST: uuid.uuid4().hex,
        }
        if instance_type:
            body["instance_type"] = instance_type
        if resultpath:
            body["resultpath"] = resultpath
        if rerun_of:
            body["rerun_of"] = rerun_of
        if after:
            body["after"] = after
        if after and after_when:
            body["after_when"] = after_when
        if run:
            body["run"] = run
        if wait:
            body["wait"] = wait
        key = f"{self.group}/submissions/{stamp}_submit.json"
        text = json.dumps(body, indent=2).encode()
        if not self.objects.create(key, text) and not self._is_there(key, text):
            raise checks.timestamp_used(stamp)
        own_jobs.remember(self.bucket, self.group, stamp)
        return JobHandle(self.s3, self.bucket, self.group, stamp, key)

    def check(
        self,
        datasets: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        config: Mapping[str, Any] | str | os.PathLike[str] = "",
        timestamp: str | None = None,
        instance_type: str | None = None,
        resultpath: str | None = None,
    ) -> Forecast:
        """Look at all that can be known of a submission before anything is uploaded, and return what it would
        take and cost. Raises AnalysisError with everything that is wrong.

        A dataset is a file or a folder on this computer, or a key in the bucket; the others are as in
        `submit`.
        """
        given = [datasets] if isinstance(datasets, (str, os.PathLike)) else list(datasets)
        files, keys = self._sorted(given)
        return self._check(files, keys, config, timestamp, instance_type, resultpath)

    def _sorted(self, datasets: Iterable[str | os.PathLike[str]]) -> tuple[list[str], list[str]]:
        """What is a file or folder here, and what a name in a bucket."""
        names = [os.fspath(one) for one in datasets]
        keys = [one for one in names if one.startswith((f"{self.group}/", SCHEME)) and not Path(one).exists()]
        return [one for one in names if one not in keys], keys

    def _check(
        self,
        files: Sequence[str],
        keys: Sequence[str],
        config: Mapping[str, Any] | str | os.PathLike[str],
        timestamp: str | None = None,
        instance_type: str | None = None,
        resultpath: str | None = None,
        after: str | None = None,
        after_when: str | None = None,
        run: str | None = None,
        wait: str | None = None,
        *,
        past: bool = True,
    ) -> Forecast:
        from neurocaas.steps import planned

        wish = checks.Wish(
            files,
            keys,
            config if isinstance(config, (str, Mapping)) else os.fspath(config),
            timestamp or "",
            instance_type or "",
            resultpath or "",
            after=after or "",
            after_when=after_when or "",
            run=run or "",
            wait=wait or "",
        )
        return planned(self, [wish], past=past)[0].forecast

    def job_config(self, config: Mapping[str, Any] | str | os.PathLike[str], stamp: str) -> str:
        """The config's key in the bucket: what was named, or what is uploaded under a name of the job's
        own."""
        if isinstance(config, Mapping):
            return self.upload_config(config, f"{stamp}_config.json")
        path = os.fspath(config)
        if not path:
            return self.upload_config({}, f"{stamp}_config.json")
        return self.upload_config(path, f"{stamp}_{Path(path).name}") if Path(path).is_file() else path

    def _is_there(self, key: str, body: bytes) -> bool:
        """Whether it is this very submission that is there, whose answer did not arrive."""
        entry = self.objects.entry(key)
        return entry is not None and UploadContent(body).is_that_of(entry)

    def map(
        self, datasets: Iterable[str | os.PathLike[str]], config: Mapping[str, Any] | str, **submission: Any
    ) -> "list[Future[DatasetState]]":
        """Upload what is a file here, submit all `datasets` as one job, and return a future for each, in
        order.

        A dataset is a path on this computer or a key in the bucket. `submission` are further arguments of
        `submit`. The result of a future is the dataset's last state; the exception of one that has failed is
        `neurocaas.futures.DatasetFailedError`.
        """
        wanted = given.paths(datasets, "map")
        raise_all(given.config(config))
        if submission.pop("check", True):
            told: dict[str, Any] = {
                name: submission.get(name) for name in ("timestamp", "instance_type", "resultpath")
            }
            self._check(*self._sorted(wanted), config, **told, past=False)
        files = [one for one in dict.fromkeys(wanted) if Path(one).exists()]
        keys = dict(zip(files, self.upload(files), strict=True))
        names = [keys.get(one, one) for one in wanted]
        return self.submit(names, config, **submission, check=False).futures(names)

    def job(self, timestamp: str) -> JobHandle:
        """The job of that timestamp, submitted by whomever of the group."""
        return JobHandle(self.s3, self.bucket, self.group, timestamp)

    def find(self, name: str) -> JobHandle:
        """The job that `name` means: its timestamp, the beginning of only one, or `last`. Raises
        AnalysisError when there is none.
        """
        return self.job(resolve(self.objects, self.group, name))

    def listing(self) -> list[ListedJob]:
        """The group's jobs and refused submissions with the times at which they came, the latest last. Two
        LISTs for a thousand.
        """
        return listing(self.objects, self.group)

    def jobs(self, limit: int = 20) -> JobList:
        """The group's last jobs and refused submissions (0: all) with their outcomes, the latest last: a
        list that shows itself as a table.
        """
        every = self.listing()
        shown = every[-limit:] if limit > 0 else every
        return JobList(shown, self.ends(shown))

    def spending(self, month: str = "") -> GroupSpending:
        """What the group's jobs of a month (`2026-11`, by default this one) have cost, job by job."""
        return spending(self, month_of(month, now()))

    def job_names(self, *, after: str = "") -> list[str]:
        """The timestamps of the group's jobs, sorted; with `after`, only those behind it. One LIST for a
        thousand jobs.
        """
        return sorted(self.objects.folders(f"{JOBS}/{self.group}/job_", after=after))

    def ends(self, jobs: Iterable[ListedJob]) -> dict[ListedJob, str]:
        """The line of each job's end.txt ("" while it is open), sixteen read at once."""
        every = list(jobs)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(every, pool.map(self._end, every), strict=True))

    def _end(self, one: ListedJob) -> str:
        keys = (
            rejected_keys(self.group, one.job) if one.answer == "refused" else JobKeys.of(self.group, one.job)
        )
        return self.objects.text(keys.records.end).strip() if one.answer else ""

    def about(self) -> About:
        """What the analysis says of itself: instance types, prices, budget, image. Raises AnalysisError when
        it says nothing.
        """
        key = about_key(self.group)
        raw = self.objects.get(key)
        if raw is None:
            raise AnalysisError(
                f"there is no {key} in bucket {self.bucket}",
                "an analysis that was deployed for this group",
                "check the group; the administrator can deploy the stack again (`invoke outputs` lists the "
                f"groups of {self.name})",
            )
        try:
            return About.from_json(raw)
        except DocumentError as error:
            raise AnalysisError(
                str(error), "an analysis of this client's version", "deploy the stack with this checkout"
            ) from error

    def sizes(self, keys: Iterable[str]) -> list[int | None]:
        """Bytes of each dataset, of all its objects for a folder; None for one that is not there, or out of
        reach.
        """
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self._size, keys))

    def _size(self, key: str) -> int | None:
        if is_address(key):
            return data_checks.stated_size(key)
        bucket, key = place_of(key, self.bucket)
        entries = Bucket(self.s3, bucket).list(key)
        try:
            if not key.endswith("/"):
                return next(
                    (int(one["Size"]) for one in itertools.islice(entries, 1) if one["Key"] == key), None
                )
            found = [int(one["Size"]) for one in itertools.islice(entries, 10_000)]
        except AnalysisError:
            if bucket == self.bucket:
                raise
            return None  # machines may read outside buckets that this person may not
        return sum(found) if found else None

    def evidence(self, job: JobHandle) -> Evidence:
        """What there is to say why a job waits or failed, for `neurocaas.explain.explain`."""
        dead_letters, types = "", tuple[str, ...]()
        with contextlib.suppress(AnalysisError):
            about = self.about()
            dead_letters, types = about.dead_letter_queue_url, about.instance_types
        return gather(
            job, self.job_names() if not job.status().datasets else [], dead_letters, self.session, types
        )

    def typical(self, job: JobHandle) -> float | None:
        """Seconds of a median run of datasets like those of a job that is under way, None without any, or
        without such a job.
        """
        state = job.status()
        if state.finished or not state.datasets:
            return None
        record = job.job()
        runs = all_runs(
            self.objects,
            self.group,
            known_sizes(self.objects, self.group),
            self.job_names()[: -LATEST - 1 : -1],
            record.instance_type,
        )
        return estimate(runs, [one.size for one in record.datasets])[0]

    def forecast(
        self,
        sizes: Sequence[int | None],
        *,
        minutes: int | None = None,
        instance_type: str | None = None,
        dataset_size_gib: int = 0,
        budget: bool = True,
        past: bool = True,
    ) -> Forecast:
        """What datasets of these sizes (bytes; None where unknown) will take and cost, and what the budget
        has left.

        `minutes` is the config's `__duration__`, by default the analysis's; `dataset_size_gib` its
        `__dataset_size__`. Without `past`, earlier jobs are not looked at. Nothing is submitted.
        """
        about = self.about()
        chosen = instance_type or about.instance_type
        if chosen not in about.prices:
            raise checks.instance_type_error(chosen, sorted(about.prices))
        latest = self.job_names()[: -LATEST - 1 : -1] if past else []
        gib = volume_gib(about.disk, dataset_size_gib, sizes)
        rows = known_sizes(self.objects, self.group) if past else []
        runs = all_runs(self.objects, self.group, rows, latest, chosen)
        p50, p90, count, similar = estimate(runs, sizes)
        asked, largest = minutes or about.duration_minutes, max((one or 0 for one in sizes), default=0)
        larger = about.oom_types.get(chosen, ())
        return Forecast(
            datasets=len(sizes),
            minutes=asked,
            instance_type=chosen,
            price_per_hour=about.prices[chosen],
            dearest_per_hour=dearest(about, chosen, () if instance_type else about.fallback_types),
            prices_date=about.prices_date,
            volume_gib=gib,
            besides_per_hour=about.rates.hourly(gib),
            unknown=sum(size is None for size in sizes) if about.disk else 0,
            p50=p50,
            p90=p90,
            runs=count,
            similar=similar,
            need=None if instance_type else about.need,
            budget=self.budget(about) if budget else None,
            times=tuple(run.seconds for run in runs),
            warnings=warnings(rows, largest or None, chosen, asked, gib, about.machines, larger),
        )

    def advise(self) -> Advice:
        """Which machine, disk and duration the group's runs have needed, and what would be cheaper. Two
        small reads."""
        return advise(known_sizes(self.objects, self.group), self.about(), self.name, self.group)

    def budget(self, about: About | None = None) -> Budget:
        """What this month's budget of the group has left, and how that is known."""
        return budget_left(about or self.about(), self.group, self.session, self.objects)
