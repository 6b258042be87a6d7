"""Files of the first implementation as its 41 blueprints were: the same fields as often, the same values, its
ways to write a COMMAND.
Names, people and images are made up."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOUR, BARE, THREE = '"{}" "{}" "{}" "{}"', "{} {} {} {}", '"{}" "{}" "{}"'
TAIL = "; . neurocaas_contrib/ncap_utils/workflow.sh; cleanup"
COMMANDS = [
    f"ls; cd /home/ubuntu; neurocaas_contrib/run_main.sh {FOUR} 'epi/run_epi.sh'{TAIL}",
    f'cd neurocaas_contrib; bash run_main.sh {FOUR} "a b/run_wave.sh"; . neurocaas_contrib/workflow.sh; '
    'cleanup',
    f"ls; cd neurocaas_contrib; .dlamirc; bash run_main_cli.sh {FOUR} 'dgp/run_dgp_cli.sh'{TAIL}",
    f"cd /home/ubuntu; sudo -u ubuntu neurocaas_contrib/run_main_cli.sh {FOUR} torch/run_main.py; . "
    "neurocaas_contrib/ncap_utils/x.sh;",
    f"cd ncap; bash run_main_loca.sh {FOUR} locanmf/run.sh; sudo poweroff",
    f"cd ncap && bash run_main.sh {BARE} pmd/run.sh && sudo poweroff",
    f"sudo -u ubuntu bash -c 'source activate sorter && cd /home/ubuntu/ncap && bash run.sh {BARE}'",
    f"source .bashrc; export MODE=full; THREADS=4 ./bin/run.sh {FOUR} 2>&1 | tee out.log{TAIL}",
    f"cd ncap; . ~/.profile; conda activate tracker; python -u go.py {FOUR}; aws s3 ls; cleanup",
    f"su - ubuntu -c \"cd ncap; nohup bash run.sh {BARE}\"",
    f"mkdir -p out || true; bash bin/run.sh {FOUR} || echo failed{TAIL}",
    f"bin/run.sh {BARE} & wait{TAIL}",
]  # fmt: skip
UNSURE_COMMANDS = [
    f"ls; cd ncap; bash run_main.sh {THREE} 'pmd/run_pmd.sh'{TAIL}",
    f"bin/run.sh {THREE} extra; sudo poweroff",
    f"bash bin/run.sh {BARE}; bash bin/again.sh {BARE}",
    f"if [ -d ncap ]; then bash run.sh {BARE}; fi",
    "bash run_main.sh {} {} {}",
]
HANDLERS = (
    ["submit_start.handler_develop"] * 22 + ["submit_start_legacy_wfield_preprocess.handler"] * 2 + ["submit_start.handler_ensemble"]  # noqa: E501
    + ["submit_start.handler_log_dev"] * 5 + ["submit_start.handler_log"] * 4 + ["submit_start.handler"] * 4
    + ["submit_start.handler_log_demo"] * 2 + ["submit.handler"]
)  # fmt: skip
TYPES = (
    ["p3.2xlarge"] * 12 + ["t2.micro"] * 7 + ["p2.xlarge"] * 6 + ["m5.16xlarge"] * 4 + ["m5.xlarge"] * 3 + ["p2.8xlarge"] * 2  # noqa: E501
    + ["g4dn.12xlarge"] * 2 + ["r5.16xlarge"] * 2 + ["m5.4xlarge", "", "the type of the machine"]
)  # fmt: skip
STAGES = ["websubstack"] * 17 + ["develop"] * 7 + ["webdev"] * 5 + ["develop or deploy"] + [None] * 11
GROUPS = [
    "debuggers",
    "reviewers",
    "traviscipermagroup",
    "lab.one",
    "ann@uni.example",
    "ben+c@lab.example",
    "Größe lab",
    "logs",
    "lab-one",
]
GROUPS += ["日本", "ann-uni.example"]
PEOPLE = ["dummyuser", "ann", "ben", "cyn.d", "eva@uni.example", "Ann"]


def one(number: int, rng: random.Random, values: dict[str, list[Any]]) -> dict[str, Any]:
    """The file of this number, with the values dealt out to it."""

    def dealt(kind: str) -> Any:
        return values[kind][number]

    config: dict[str, Any] = {
        "AMI": f"ami-{rng.getrandbits(68):017x}" if number != 40 else "The AMI",
        "INSTANCE_TYPE": dealt("type"),
        "REGION": "us-east-1",
        "IAM_ROLE": rng.choice(["SSMRole", "pmd-s3-ssm", "SagemakerRole", "pmd-s3-locanmf-s3-access"]),
        "KEY_NAME": rng.choice(["testkeystack-custom-dev-key-pair", "some_testkey"]),
        "WORKING_DIRECTORY": rng.choice(["~/bin"] * 3 + ["/home/ubuntu", "~/home/ec2-user"]),
        "COMMAND": dealt("command"),
    }
    some: list[tuple[str, Any, float]] = [
        ("SECURITY_GROUPS", "launch-wizard-34", 0.9), ("SHUTDOWN_BEHAVIOR", "terminate", 0.93),
        ("CONFIG", "config.yaml", 0.93),
        ("MISSING_CONFIG_ERROR", "We need a config file to analyze data.", 0.93),
        ("EXECUTION_TIMEOUT", rng.choice([180, 900, 720]), 0.97),
        ("SSM_TIMEOUT", 172000, 0.95), ("LAUNCH", True, 0.9), ("LOGFILE", "lambda_log.txt", 0.93),
        ("DEPLOY_LIMIT", rng.choice([100, 300, 20]), 0.8),
        ("MAXCOST", rng.choice([300, "300", 100, 600, "max. cost"]), 0.6),
        ("MONITOR", rng.random() < 0.65, 0.9), ("INDIR", "inputs", 0.66), ("OUTDIR", "results", 0.66),
        ("LOGDIR", "logs", 0.66),
        ("CONFIGDIR", "configs", 0.1), ("SUBMITDIR", "submissions", 0.1),
    ]  # fmt: skip
    config |= {key: value for key, value, often in some if rng.random() < often}
    affiliates = []
    for group in rng.sample(GROUPS, rng.randint(1, 4)):
        affiliate: dict[str, Any] = {
            "AffiliateName": group,
            "UserNames": rng.choice([["dummyuser"], rng.sample(PEOPLE, 3), "ann"]),
            "UserInput": rng.choice([True] * 20 + ["true", False]),
            "ContactEmail": "The email we should notify regarding processing status.",
        }
        if rng.random() < 0.6:
            affiliate |= {"PipelinePath": "", "PipelineDir": "trackingfolder"}
        affiliates.append(affiliate)
    affiliates += affiliates[:1] if number == 7 else []
    given: dict[str, Any] = {
        "CodeUri": rng.choice(["../../protocols", "../lambda_repo"]), "Handler": dealt("handler"),
        "LambdaConfig": config,
    }  # fmt: skip
    if rng.random() < 0.8:
        given["Launch"] = True
    if number % 3 == 0:
        given |= {
            "PostCodeUri": "../../protocols",
            "PostHandler": rng.choice(
                ["postprocess.epipostprocess"] * 5 + ["postprocess.postprocess_prediction"]
            ),
        }
    if number == 3:
        given |= {"PostTrigger": "SeqLabel.json", "Requirements": "requirements_label.txt"}
    data: dict[str, Any] = {
        "PipelineName": {
            20: "The name of your pipeline",
            40: "unique bucket name",
            12: "analysis-11-web",
        }.get(number, f"analysis-{number}-web"),
        "REGION": "us-east-1" if number != 40 else "the region",
        "Lambda": given,
        "UXData": {"Affiliates": affiliates},
    }
    if dealt("stage") is not None:
        data["STAGE"] = dealt("stage")
    if number == 5:
        data |= {
            "PipelineVersion": "1",
            "image_history": [{"a": 1}],
            "localenv": "/x",
            "develop_history": [],
            "container_history": [],
        }
    return data


def every(seed: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """41 files and their places in a folder."""
    rng = random.Random(seed)
    commands = UNSURE_COMMANDS + [COMMANDS[number % len(COMMANDS)] for number in range(36)]
    values: dict[str, list[Any]] = {
        "type": TYPES[:],
        "handler": HANDLERS[:],
        "stage": STAGES[:],
        "command": commands,
    }
    for dealt in values.values():
        rng.shuffle(dealt)
    for number in range(41):
        yield f"analysis_{number}_stack/stack_config_template.json", one(number, rng, values)


def write(folder: Path, seed: int = 0) -> Path:
    """All of them below `folder`, among what else lay there."""
    for place, data in every(seed):
        path = folder / place
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(data, indent=4), encoding="utf-8")
        (path.parent / "test_resources").mkdir()
        (path.parent / "test_resources" / "exampledevsubmit.json").write_text(
            '{"dataname": "x", "configname": "y"}'
        )
    (folder / "global_params.json").write_text('{"EXECUTION_TIMEOUT": 900}')
    return folder
