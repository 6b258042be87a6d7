"""The analyst's library: upload data, submit an analysis, follow the job, fetch the results.

It needs boto3 and nothing else of this project but the protocol, so it works from a notebook::

    from client import Analysis

    dti = Analysis("dti", "debuggers")
    keys = dti.upload(["scan.nii.gz"])
    job = dti.submit(keys, {"wait": 5})
    job.follow(print)
    job.fetch("results")
"""

from client.analysis import Analysis, Forecast
from client.errors import AnalysisError
from client.job import DatasetState, FetchedFile, JobHandle, JobState

__all__ = ["Analysis", "AnalysisError", "DatasetState", "FetchedFile", "Forecast", "JobHandle", "JobState"]
