"""Reading provisioning scripts and component documents for mistakes that would show late, or not at all.

`RULES` lists what is looked for; docs/images.md has the same list for people.
"""

from image_builder.lint.files import lint_paths, lint_provision
from image_builder.lint.findings import RULES, Finding

__all__ = ["RULES", "Finding", "lint_paths", "lint_provision"]
