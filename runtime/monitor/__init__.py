"""The monitor: what happens to machines becomes reports, final states and the end of jobs (one Lambda for all
analyses).
"""
