"""The manager: one submission file becomes one machine for each of its datasets (a Lambda behind a queue)."""

VENDORED = ("yaml",)
"""Top-level packages (pure Python files) that the archive of the Lambda carries beside runtime/:
configurations may be YAML, and the Lambda runtime has no parser for it."""
