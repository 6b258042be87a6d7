"""The analyst's library: upload data, submit an analysis, follow the job, fetch the results.

It needs boto3 and nothing else of this project but the protocol, so it works from a notebook::

    from neurocaas import Analysis

    dti = Analysis("dti", "debuggers")
    keys = dti.upload(["scan.nii.gz"])
    job = dti.submit(keys, {"wait": 5})
    job.follow()
    job.fetch()
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurocaas.analysis import Analysis
    from neurocaas.errors import AnalysisError
    from neurocaas.forecast import Forecast
    from neurocaas.futures import DatasetFailedError, JobFailedError
    from neurocaas.job import JobHandle
    from neurocaas.results_folder import FetchedFile
    from neurocaas.states import DatasetState, JobState

__all__ = [
    "Analysis",
    "AnalysisError",
    "DatasetFailedError",
    "DatasetState",
    "FetchedFile",
    "Forecast",
    "JobFailedError",
    "JobHandle",
    "JobState",
]

_WHERE = {
    "Analysis": "neurocaas.analysis",
    "Forecast": "neurocaas.forecast",
    "AnalysisError": "neurocaas.errors",
    "DatasetFailedError": "neurocaas.futures",
    "DatasetState": "neurocaas.states",
    "FetchedFile": "neurocaas.results_folder",
    "JobFailedError": "neurocaas.futures",
    "JobHandle": "neurocaas.job",
    "JobState": "neurocaas.states",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the commands beside it must not cost every `invoke --list` the
    time to import boto3.
    """
    if name == "__version__":
        return importlib.import_module("neurocaas.version").version()
    if name not in _WHERE:
        raise AttributeError(f"module 'neurocaas' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    """What a notebook offers after `neurocaas.`: names that were not used yet are not there by themselves."""
    return sorted(__all__)
