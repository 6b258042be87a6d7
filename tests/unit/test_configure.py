"""`invoke configure NAME`: the rule for names, nothing overwritten, and a result that is right at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invoke.exceptions import Exit

import blueprints
from blueprints import starter
from console.errors import user_errors
from image_builder.lint.files import lint_provision
from localcloud.tests.properties import examples
from neurocaas.protocol.problems import InvalidInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "blueprints" / "analysis", tmp_path / "blueprints" / "analysis")
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a5_configure(project: Path) -> None:
    made = starter.configure("my-analysis", project)
    folder = project / "blueprints" / "my-analysis"
    assert {Path(file).name for file in made} >= {
        "blueprint.yaml",
        "run_my-analysis.sh",
        "data.txt",
        "config.json",
        "submit.json",
    }
    assert all((project / file).is_file() for file in made)
    before = snapshot(project)
    for name in ("My_Analysis", "-bad", "bad-", "ab", "a" * 64, "a.b", "", "../x", "mein-ä"):
        with pytest.raises(InvalidInput, match="Names must be 3 to 63 lowercase letters, digits and '-'"):
            starter.configure(name, project)
    with pytest.raises(InvalidInput, match="already exists"):
        starter.configure("my-analysis", project)
    with pytest.raises(InvalidInput, match="shared by all analyses"):
        starter.configure("utils", project)
    with pytest.raises(InvalidInput, match="service's own code"):
        starter.configure("neurocaas", project)
    assert snapshot(project) == before
    assert (folder / "run_my-analysis.sh").stat().st_mode == (
        project / "blueprints/analysis/run_analysis.sh"
    ).stat().st_mode


def test_the_result_is_right_in_every_stage_and_has_only_the_new_name(project: Path) -> None:
    starter.configure("spikes", project)
    assert blueprints.load_problems("spikes", project) == ()
    loaded = blueprints.load("spikes", "webdev", project)
    assert (loaded.name, loaded.title, loaded.bucket, loaded.script) == (
        "spikes",
        "spikes",
        "",
        "run_spikes.sh",
    )
    submit = json.loads((loaded.folder / "tests" / "submit.json").read_text())
    assert {"dataname", "configname", "timestamp"} <= set(submit)
    assert "$userhome/spikes/" in (loaded.folder / "run_spikes.sh").read_text()
    done = subprocess.run(
        ["bash", "-n", str(loaded.folder / "run_spikes.sh")], capture_output=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("language", starter.LANGUAGES)
def test_each_language_makes_a_blueprint_that_is_right_and_lints(project: Path, language: str) -> None:
    for name in ("starters", "base"):
        shutil.copytree(ROOT / "blueprints" / name, project / "blueprints" / name, symlinks=True)
    shutil.copy(ROOT / "blueprints" / "python_environment.sh", project / "blueprints")
    made = starter.configure("spikes", project, language)
    assert blueprints.load_problems("spikes", project) == ()
    assert [
        one
        for one in lint_provision(project / "blueprints/spikes/provision", project)
        if one.severity == "error"
    ] == []
    assert not any((project / file).is_symlink() for file in made)
    assert "golden.json" not in {Path(file).name for file in made}
    text = (project / "blueprints/spikes/run_spikes.sh").read_text()
    assert "$NEUROCAAS_CONFIG" in text
    assert "docs/scripts.md" in text
    assert "$userhome/analysis/" not in text


def test_a_language_without_a_starter_is_told(project: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"(?s)--language: got 'pyton'.*matlab-runtime.*Did you mean 'python'"
    ):
        starter.configure("spikes", project, "pyton")
    assert not (project / "blueprints" / "spikes").exists()


def test_images_of_the_starter_are_not_taken_along(project: Path) -> None:
    blueprints.record_image(project, "analysis", "111122223333", "us-east-1", "ami-0123456789abcdef0")
    assert blueprints.load("analysis", "webdev", project).image.amis
    starter.configure("spikes", project)
    assert not blueprints.load("spikes", "webdev", project).image.amis


def test_a_mistake_proposes_a_name_and_ends_with_code_one(project: Path) -> None:
    with pytest.raises(Exit) as ended:
        user_errors(lambda c: starter.configure("My Analysis!", project))(None)
    assert ended.value.code == 1
    assert "my-analysis" in str(ended.value.message)


def test_without_the_starter_it_says_how_to_get_it_back(tmp_path: Path) -> None:
    (tmp_path / "blueprints").mkdir()
    with pytest.raises(InvalidInput, match="git checkout blueprints/analysis"):
        starter.configure("spikes", tmp_path)
    assert list((tmp_path / "blueprints").iterdir()) == []


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True).filter(
        lambda name: name not in ("analysis", "utils")
    )
)
def test_every_name_of_the_rule_makes_a_right_blueprint(project: Path, name: str) -> None:
    folder = project / "blueprints" / name
    shutil.rmtree(folder, ignore_errors=True)
    starter.configure(name, project)
    assert blueprints.load_problems(name, project) == ()
    data = yaml.safe_load((folder / "blueprint.yaml").read_text())
    assert (data["name"], data["title"]) == (name, name)
