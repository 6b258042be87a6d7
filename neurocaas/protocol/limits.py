"""Limits and times that several sides share. Sizes in bytes, times in seconds unless the name says
otherwise.
"""

SUBMISSION_MAX_BYTES = 256 * 1024
"""A submission of 1,000 long dataset names has about 120 kB; anything larger than this is a mistake."""

CONFIG_MAX_BYTES = 1024 * 1024
CONFIG_YAML_MAX_BYTES = 128 * 1024
"""YAML is read by the pure-Python parser (about 60 kB/s in a small Lambda)."""

CONFIG_MAX_NODES = 100_000
"""Values in a configuration after YAML aliases are expanded; stops documents that unfold to gigabytes."""

JOB_MAX_BYTES = 16 * 1024 * 1024
"""More than any job document has: 10,000 datasets make about 5 MB."""

STATUS_MAX_BYTES = 256 * 1024
"""More than any status has: the last lines of both outputs, each line cut."""

RECORD_MAX_BYTES = 16 * 1024 * 1024
"""More than the records of moved files of a job have: 40,000 files make about 10 MB. What is over it is not
certified.
"""

RECORD_MAX_FILES = 80_000
"""So many objects such a record may have: 16 MB of "{}" would be gigabytes for whoever reads it."""

LOGS_MAX_COPIES = 10_000
"""So many files of a job's logs are copied to an outside bucket. A job has a few for each dataset, and two
each minute.
"""

FOLDER_MAX_OBJECTS = 40_000
"""Objects of a folder that is one dataset: each is pinned at submission, in a record of about 10 MB then.
More belong into an archive, which is also read many times faster."""

FOLDERS_MAX_OBJECTS = 100_000
"""Objects of all such folders of one submission: 100 listings of S3, and half of the manager's memory."""

NAME_MAX_BYTES = 255
"""Longest name of a file on a machine (ext4)."""

KEY_MAX_BYTES = 1024
"""Longest S3 object key (Amazon S3 user guide, "Naming Amazon S3 objects")."""

MANAGER_TIMEOUT = 120
"""Timeout of the manager Lambda, and thereby the longest time for which one manager holds a job."""

QUEUE_VISIBILITY = 150
"""Visibility timeout of the submission queue; must exceed MANAGER_TIMEOUT. Also the pause between capacity
attempts.
"""

QUEUE_MAX_RECEIVES = 8
"""`maxReceiveCount` of the submission queue. More than CAPACITY_ATTEMPTS, so that the manager gives the
answer itself. At the last one it tries nothing any more, and answers that the service has failed."""

CAPACITY_ATTEMPTS = 6
"""How often a launch is tried while AWS has no capacity (times QUEUE_VISIBILITY = about 15 minutes)."""

WAIT_SECONDS = 900
"""How long a job waits for machines when its submission says nothing: about as long as the attempts at a
further machine take."""

WAIT_MAX_SECONDS = 7 * 86400
"""The longest `wait` of a submission, and how long a job waits at most that runs as its budget allows."""

WAIT_PAUSE = 120
"""Pause between two looks at whether a job that waits can go on. Whoever makes room tells it sooner."""

WAIT_LOST = 900
"""A job that waits and has not been looked at for this long holds no place before others: its message was
lost (the sweep sends another), or its manager has died."""

WAKE_PAUSE = 20
"""Jobs that wait are told of room at most so often: many datasets end at about the same time."""

LAUNCH_CHUNK = 100
"""Machines asked for by one RunInstances call."""

SPOT_CHUNK = 1
"""The same for spot machines. A machine takes the dataset of its launch index, of which AWS says that it is
always 0 for fleets, and does not say what it is for several spot machines of one call. With one machine a
call it is 0 in any case.
"""

LAUNCH_MARGIN = 30
"""So long before its end a manager begins no further launch call: it writes down how far it has come.
"""

LAUNCH_SECONDS = 8 * 3600
"""How long after its submission a job may get its first machines. EC2 starts 1,000 of an account at once and
then two each second (EC2 user guide, "Request throttling"), 10,000 in 75 minutes. Spot machines, with a call
of one or two seconds for each, take five hours: a manager launches some fifty in its time, and looks first
for those that there are.
"""

LAUNCH_PAUSE = 120
"""Pause of a launch that EC2 has told to slow down: after it, two calls of LAUNCH_CHUNK machines are allowed.
"""

LAUNCH_OPTIONS = 40
"""How many combinations of market, type and zone one launch tries at most: each refusal takes about a
second.
"""

MONITOR_TIMEOUT = 120
"""Timeout of the monitor Lambda."""

ENDING_GRACE = 20
"""How long a monitor that has begun to write the end of a job is left alone with it. Whoever comes later does
it once more, in the same words."""

DEADLINE_GRACE = 300
"""How long after its duration a machine may still live (boot, upload) before the sweep ends it."""

HOST_GRACE = 600
"""How long EC2's check of a machine's host may fail before the sweep ends the machine: some faults pass."""

STOP_GRACE = 120
"""How long after an order to stop a machine may still save partial results before the sweep ends it."""

EARLY_CANCEL = 900
"""How long a cancellation waits for the submission that it cancels: S3 tells of files in any order, and
people upload them so.
"""

AFTER_SECONDS = 7 * 24 * 3600
"""How long after its submission a job may wait for the one that it follows."""

UNKNOWN_ATTEMPTS = 3
"""Deliveries of a submission that follows a job of which nobody has heard: S3 tells of files in any order."""

ORPHAN_GRACE = 600
"""How long a machine without an open job is left alone before the sweep ends it."""

SETTLE_GRACE = 180
"""How long after a launch a machine may be missing in DescribeInstances before it counts as gone."""

STALLED_LAUNCH = 3600
"""A job that was claimed but not launched for this long is closed by the sweep."""

SWEEP_INTERVAL = 300
"""Seconds between two sweeps (the monitor's schedule)."""

BUDGET_MARGIN_MINUTES = 15
"""What a reservation adds to each machine's duration: the grace of the deadline, one interval of the sweep,
the shutdown.
"""
