"""Both stacks as a whole: what they register, export and refuse."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import jsonschema
import pulumi
import pytest

from checks.rule import run
from checks.rules import RULES
from components import program
from components.outputs import AnalysisOutputs, UtilsOutputs, json_schema, utils_reference_name
from neurocaas.protocol.settings import AnalysisSettings
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {"utils-outputs": UtilsOutputs, "analysis-outputs": AnalysisOutputs}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_that_of_the_dataclass(name: str) -> None:
    published = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text())
    assert published == json_schema(SCHEMAS[name]), "write it anew: python -m components.outputs"


def test_outputs_match_their_schema(utils: Recorded, analysis: Recorded) -> None:
    jsonschema.validate(utils.outputs, json_schema(UtilsOutputs))
    jsonschema.validate(analysis.outputs, json_schema(AnalysisOutputs))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**analysis.outputs, "bucket": 3}, json_schema(AnalysisOutputs))
    read = AnalysisOutputs.from_dict(analysis.outputs)
    assert set(read.groups) == {"lab1", "lab10"}
    assert read.image_ready is False


def test_outputs_of_another_kind_are_refused(utils: Recorded) -> None:
    with pytest.raises(ValueError, match="not the outputs of an analysis stack"):
        AnalysisOutputs.from_dict(utils.outputs)


def test_every_resource_goes_through_the_one_provider(utils: Recorded, analysis: Recorded) -> None:
    for stack in (utils, analysis):
        own = stack.one("aws")
        others = [resource for resource in stack.resources if resource is not own]
        assert {resource.provider.rpartition("::")[2] for resource in others} == {own.id}
        assert "neurocaas:stack" in own.inputs["defaultTags"]


def test_every_child_is_named_after_its_stack(analysis: Recorded) -> None:
    assert all(
        resource.name.startswith("neurocaas-spikes-webdev")
        for resource in analysis.resources
        if resource.name != "aws"
    )


def test_the_settings_tell_the_manager_what_was_deployed(analysis: Recorded, utils: Recorded) -> None:
    text = analysis.one("BucketObjectv2", "settings").inputs["content"]
    settings = AnalysisSettings.from_json(text)
    assert settings.stack == "spikes-webdev"
    assert settings.script == "spikes/run_spikes.sh"
    assert settings.prices == {"m5.large": 0.096, "m5.xlarge": 0.192}
    assert settings.ledger_table == utils.outputs["ledger_table"]
    assert settings.image.id.startswith("resolve:ssm:/aws/service/canonical/")
    assert settings.image.ready is False
    assert {group.launch_template_version for group in settings.groups.values()} == {"1"}
    assert all(group.role_id.startswith("AROA") for group in settings.groups.values())
    assert len({group.role_id for group in settings.groups.values()}) == 2
    assert settings.queue_url == analysis.outputs["submission_queue_url"]
    environment = analysis.one("Function").inputs["environment"]["variables"]
    assert environment["NEUROCAAS_SETTINGS_SHA256"] == hashlib.sha256(text.encode()).hexdigest()
    assert environment["NEUROCAAS_SETTINGS_KEY"] == analysis.outputs["settings_key"]
    code = analysis.one("BucketObjectv2", "code")
    assert code.inputs["key"] == settings.code.key == f"code/{analysis.outputs['code_sha256']}.tar.gz"


def test_a_baked_image_is_what_machines_start_from(tmp_path: Path, utils: Recorded) -> None:
    baked = BLUEPRINT.replace(
        "  parent: ubuntu24\n",
        f'  parent: ubuntu24\n  amis: {{"{ACCOUNT}/us-east-1": ami-0123456789abcdef0}}\n',
    )
    project = make_project(tmp_path, baked)
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert {template.inputs["imageId"] for template in stack.of_type("LaunchTemplate")} == {
        "ami-0123456789abcdef0"
    }
    assert stack.outputs["image_ready"] is True
    assert "ResolveImage" not in json.dumps(stack.one("RolePolicy", "manager").policy())


def test_an_analysis_without_scripts_has_no_pipeline(tmp_path: Path, utils: Recorded) -> None:
    project = make_project(tmp_path, BLUEPRINT.replace("  parent: ubuntu24", "  required: false"))
    for script in (project / "blueprints/spikes/provision").rglob("*.sh"):
        script.unlink()
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert not stack.of_type("ImagePipeline")
    assert stack.outputs["image_pipeline_arn"] is None
    assert stack.outputs["image_ready"] is True


def test_the_image_is_made_of_the_recording(analysis: Recorded) -> None:
    build, test = analysis.one("Component", "build"), analysis.one("Component", "test")
    assert "touch /opt/spikes" in build.inputs["data"]
    assert "test -e /opt/spikes" in test.inputs["data"]
    recipe = analysis.one("ImageRecipe")
    assert recipe.inputs["parentImage"].startswith("ssm:/aws/service/canonical/")
    assert len(recipe.inputs["components"]) == 2
    assert recipe.inputs["tags"]["recipe_sha256"] == analysis.outputs["image_recipe_sha256"]
    group = analysis.one("LogGroup", "build").inputs["name"]
    assert group == "/aws/imagebuilder/neurocaas-spikes-webdev-image"
    assert analysis.one("ImagePipeline").inputs["loggingConfiguration"] == {"imageLogGroupName": group}
    # With a name of ours Pulumi would delete the old one first, which Image Builder refuses while the
    # pipeline refers to it.
    assert not any(
        "name" in one.inputs for kind in ("Component", "ImageRecipe") for one in analysis.of_type(kind)
    )


def test_a_large_recording_travels_through_s3(tmp_path: Path, utils: Recorded) -> None:
    project = make_project(tmp_path)
    (project / "blueprints/spikes/provision/requirements.txt").write_text("numpy==2\n")
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    archive = stack.one("BucketObjectv2", "provision")
    assert (
        f"s3://{archive.inputs['bucket']}/{archive.inputs['key']}"
        in stack.one("Component", "build").inputs["data"]
    )


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("spikes", "neither 'utils' nor '<analysis>-<stage>'"),
        ("spikes-deploy", "webdev, develop, staging, prod"),
        ("nonesuch-webdev", "the blueprints there are: spikes"),
    ],
)
def test_an_unknown_stack_is_one_clear_message(project: Path, stack: str, message: str) -> None:
    with pytest.raises(pulumi.RunError) as error:
        deploy(lambda: program.outputs(project), stack)
    assert message in str(error.value)


def test_three_mistakes_are_one_message_and_nothing_is_registered(tmp_path: Path) -> None:
    wrong = (
        BLUEPRINT.replace("type: m5.large", "type: zz.huge")
        .replace("ubuntu24", "ubuntu18")
        .replace("run_spikes.sh", "run_spike.sh")
    )
    project, recorder = make_project(tmp_path, wrong), Recorder({})
    with pytest.raises(pulumi.RunError) as error:
        deploy(lambda: program.outputs(project), "spikes-webdev", recorder=recorder)
    assert not recorder.recorded.resources
    text = str(error.value)
    assert "has 3 problems" in text
    for part in (
        "blueprint.yaml:4: script",
        "blueprint.yaml:6: instance.type",
        "blueprint.yaml:9: image.parent",
        "Write ubuntu24",
    ):
        assert part in text


def test_a_type_without_a_price_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    project = make_project(tmp_path, BLUEPRINT.replace("m5.xlarge", "zz.huge"))
    with pytest.raises(pulumi.RunError, match=r"zz\.huge.*c5\.2xlarge") as error:
        deploy(lambda: program.outputs(project), "spikes-webdev")
    assert "blueprint.yaml:7: instance.types[1]" in str(error.value)


def test_a_blueprint_that_lists_no_types_takes_the_sizes_of_its_types_family(
    tmp_path: Path, utils: Recorded
) -> None:
    project = make_project(tmp_path, BLUEPRINT.replace("  types: [m5.large, m5.xlarge]\n", ""))
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", {}, {REFERENCE: utils.outputs})
    types = ["m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge"]
    texts = [str(one.inputs.get("content", "")) for one in stack.of_type("BucketObjectv2")]
    (settings,) = (json.loads(text) for text in texts if '"queue_url"' in text)
    assert (settings["instance_types"], settings["fallback_types"], sorted(settings["prices"])) == (
        types,
        [],
        sorted(types),
    )
    policies = [
        json.dumps(one.inputs)
        for one in stack.resources
        if "RunInstances" in json.dumps(one.inputs, default=str)
    ]
    assert any(all(name in policy for name in types) and "m5.8xlarge" not in policy for policy in policies)


def test_a_stack_can_override_its_blueprint(project: Path, utils: Recorded) -> None:
    config = {"neurocaas:overrides": '{"instance": {"type": "m5.xlarge"}}'}
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", config, {REFERENCE: utils.outputs})
    assert {template.inputs["instanceType"] for template in stack.of_type("LaunchTemplate")} == {"m5.xlarge"}
    wrong = {"neurocaas:overrides": '{"instance": {"typ": "m5.xlarge"}}'}
    with pytest.raises(
        pulumi.RunError, match=r"Pulumi.spikes-webdev.yaml: neurocaas:overrides: instance.typ"
    ):
        deploy(lambda: program.outputs(project), "spikes-webdev", wrong, {REFERENCE: utils.outputs})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ledger_table": None}, "stack utils has no output 'ledger_table'; run `invoke deploy utils`"),
        (
            dict.fromkeys(("ledger_table", "topic_arn", "region", "account")),
            "stack utils has no outputs (4 are missing)",
        ),
        ({"schema_version": 2}, "stack utils has outputs of version 2. Allowed: 1."),
        (
            {"account": "999999999999"},
            "Allowed: where stack utils is, account 999999999999, region us-east-1",
        ),
    ],
)
def test_unfit_outputs_of_utils_say_what_to_run_and_nothing_is_made(
    project: Path, utils: Recorded, change: dict[str, object], message: str
) -> None:
    recorder = Recorder({REFERENCE: {**utils.outputs, **change}})
    with pytest.raises(pulumi.RunError) as error:
        deploy(lambda: program.outputs(project), "spikes-webdev", recorder=recorder)
    assert message in str(error.value)
    assert {resource.name for resource in recorder.recorded.resources} <= {"aws"}


@pytest.mark.parametrize("cidrs", ['["0.0.0.0/0"]', '["laboratory"]'])
def test_port_22_is_never_open_to_the_world(project: Path, cidrs: str) -> None:
    with pytest.raises(pulumi.RunError, match="developerCidrs"):
        deploy(lambda: program.outputs(project), "utils", {"neurocaas:developerCidrs": cidrs})


def test_port_22_opens_to_the_addresses_given(project: Path) -> None:
    stack = deploy(
        lambda: program.outputs(project),
        "utils",
        {"neurocaas:developerCidrs": '["192.0.2.0/24", "2001:db8::/32"]'},
    )
    rules = [rule.inputs for rule in stack.of_type("SecurityGroupIngressRule")]
    assert [rule.get("cidrIpv4") or rule.get("cidrIpv6") for rule in rules] == [
        "192.0.2.0/24",
        "2001:db8::/32",
    ]
    assert all(rule["fromPort"] == rule["toPort"] == 22 for rule in rules)


def test_a_protected_utility_stack_keeps_its_data(project: Path) -> None:
    stack = deploy(lambda: program.outputs(project), "utils", {"neurocaas:protectUtilities": "true"})
    assert all(bucket.inputs["forceDestroy"] is False for bucket in stack.of_type("Bucket"))
    assert stack.one("Table").inputs["deletionProtectionEnabled"] is True


def test_users_data_is_watched_when_asked_for(project: Path, utils: Recorded) -> None:
    assert not utils.of_type("Trail")
    stack = deploy(lambda: program.outputs(project), "utils", {"neurocaas:auditData": "true"})
    trail = stack.one("Trail").inputs
    (selector,) = trail["eventSelectors"]
    assert selector["dataResources"] == [
        {"type": "AWS::S3::Object", "values": ["arn:aws:s3:::spikes/", "arn:aws:s3:::spikes-prod/"]}
    ]
    assert (selector["readWriteType"], trail["enableLogFileValidation"]) == ("All", True)
    logs = stack.outputs["log_bucket"]
    granted = [
        one for one in stack.one("BucketPolicy", "logs").policy()["Statement"] if one["Effect"] == "Allow"
    ]
    assert [one["Action"] for one in granted] == [["s3:GetBucketAcl"], ["s3:PutObject"]]
    assert granted[1]["Resource"] == [f"arn:aws:s3:::{logs}/{trail['s3KeyPrefix']}/AWSLogs/{ACCOUNT}/*"]
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{trail['name']}"
    assert {one["Condition"]["StringEquals"]["aws:SourceArn"] for one in granted} == {arn}
    assert run(RULES, stack.stack()).findings == ()


def test_a_blueprint_with_mistakes_cannot_be_watched_and_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path, BLUEPRINT.replace("run_spikes.sh", "run_spike.sh"))
    with pytest.raises(pulumi.RunError, match=r"(?s)auditData.*blueprint.yaml:4: script"):
        deploy(lambda: program.outputs(project), "utils", {"neurocaas:auditData": "true"})


def test_long_names_stay_within_the_services_limits(tmp_path: Path, utils: Recorded) -> None:
    name, groups = "n" * 63, ["g" * 63, "G.b", "G-b"]
    text = BLUEPRINT.replace("name: spikes", f"name: {name}").replace(
        "[lab1, lab10]", f"[{', '.join(groups)}]"
    )
    project = make_project(tmp_path, text, name)
    stack = deploy(lambda: program.outputs(project), f"{name}-develop", references={REFERENCE: utils.outputs})
    assert all(len(resource.name) + 8 <= 64 for resource in stack.resources)
    assert len(stack.of_type("LaunchTemplate")) == 3


@pytest.mark.parametrize("organization", ["organization", "university"])
def test_an_analysis_reads_utils_of_its_own_organisation(
    organization: str, project: Path, utils: Recorded
) -> None:
    """Backends without organisations say literally "organization"; Pulumi Cloud says whose stack it is."""
    assert utils_reference_name("organization") == REFERENCE
    references = {utils_reference_name(organization): utils.outputs}
    stack = deploy(
        lambda: program.outputs(project), "spikes-webdev", references=references, organization=organization
    )
    assert stack.outputs["region"] == utils.outputs["region"]


def test_no_resource_is_made_inside_an_apply() -> None:
    """Such a resource is missing from previews. Lambdas and functions passed to apply() or rendered() must
    not make any.
    """
    checked = 0
    for path in sorted((ROOT / "components").rglob("*.py")):
        tree = ast.parse(path.read_text())
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in ("apply", "rendered"):
                continue
            for argument in call.args:
                body = functions.get(argument.id) if isinstance(argument, ast.Name) else argument
                if body is None:
                    continue
                checked += 1
                made = [ast.unparse(inner.func) for inner in ast.walk(body) if isinstance(inner, ast.Call)]
                assert not [call for call in made if call.startswith("aws.")], f"{path.name}: {made}"
    assert checked > 10
