"""What the tour needs of this machine, looked at before its first phase: all that is missing is said at once,
within seconds.
"""

from pathlib import Path

from console import machine
from console.health import CheckState, Surroundings, all_asked, asked
from neurocaas.protocol.problems import InvalidInput, Problem


def require(root: Path) -> None:
    """Raises InvalidInput with everything that `invoke doctor` would tell of what the tour cannot do
    without.
    """
    around = Surroundings.here(root)
    found = [asked(check, around) for check in machine.FOR_A_DEMO]
    found += all_asked("local cloud", machine.local_cloud(around, keep=True))
    problems = [
        Problem(one.name, one.found, one.allowed or "what it finds in order", one.fix)
        for one in found
        if one.state is not CheckState.OK
    ]
    if problems:
        raise InvalidInput(problems)
