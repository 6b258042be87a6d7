"""What the guides leave out of what `test_guide_*.py` type into a terminal.

What cannot run there is marked in the page itself: `<!-- not run: why -->` before the block.
"""

from __future__ import annotations

from tests.local.guide_project import ROOT
from tests.local.guides import steps

PAGES = ("analysts.md", "administrators.md", "developers.md")


def test_what_is_not_run_says_why() -> None:
    every = [step for page in PAGES for step in steps(ROOT / "docs" / page)]
    skipped = [step for step in every if step.skipped]
    # a package index, a sign-in at an institution, data of one's own: a guide for people outside has many
    assert len(skipped) < 0.35 * len(every)
    assert all(len(step.skipped) > 10 for step in skipped)


def test_every_page_has_a_test_of_its_own() -> None:
    for page in PAGES:
        test = ROOT / "tests" / "local" / f"test_guide_{page.removesuffix('.md')}.py"
        assert f'follow("{page}"' in test.read_text()
