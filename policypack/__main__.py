"""The rules of checks/ as a Pulumi policy pack: `pulumi preview --policy-pack policypack`.

A rule about one resource is asked before that resource is made; one about several, when all are there.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ResourceValidationPolicy,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from checks import analyzer
from checks.rule import Rule
from checks.rules import RULES


def policy(rule: Rule) -> Policy:
    kind, validate = (
        (ResourceValidationPolicy, analyzer.of_resource)
        if rule.alone
        else (StackValidationPolicy, analyzer.of_stack)
    )
    return kind(rule.name, rule.allowed, validate(rule, UnknownValueError), EnforcementLevel.MANDATORY)


PolicyPack("neurocaas", [policy(rule) for rule in RULES], EnforcementLevel.MANDATORY)
