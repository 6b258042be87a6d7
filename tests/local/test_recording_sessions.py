"""Sessions of any commands, and their scripts: both have the same effect. No local cloud is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from localcloud.tests.bases import share_base
from neurocaas.protocol.problems import InvalidInput
from tests.local.recordings import Bench

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_base(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), home)


NAMES = st.sampled_from(["a", "b", "sub", "sub/c", "ü é", "d.txt"])
TEXTS = st.sampled_from(
    ["x", "two words", "$HOME $V", "`uname`", "q'uote", 'd"quote', "é✓", "back\\slash", "#", "*"]
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


COMMANDS = st.one_of(
    st.builds(lambda n, t, o: f"echo {_quoted(t)} {o} {_quoted(n)}", NAMES, TEXTS,
        st.sampled_from([">", ">>"])),
    st.builds(lambda n: f"mkdir {_quoted(n)}", NAMES),
    st.builds(lambda n: f"mkdir -p {_quoted(n)}", NAMES),
    st.builds(lambda n: f"cd {_quoted(n)}", NAMES),
    st.sampled_from(["cd ..", "cd /opt/build", "cd", "pushd /opt", "umask 077", "umask 022", "V=1", "export "
        "V='a b'", "unset V", "false",
                     "ls", "set -- x 'y z'", "f() { echo \"f $1\" >> f; }", "f 1", "true | false",
                     "nosuchcommand", "W=\"$V\"; export W"]),
    st.builds(lambda n: f"rm -rf {_quoted(n)}", NAMES),
    st.builds(lambda n: f"touch {_quoted(n)}", NAMES),
    st.builds(lambda n, m: f"mv {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"cp -r {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"ln -s {_quoted(n)} {_quoted(m)}", NAMES, NAMES),
    st.builds(lambda n, m: f"chmod {m} {_quoted(n)}", NAMES, st.sampled_from(["600", "755", "u+x"])),
    st.builds(lambda n: f"for i in 1 2; do\n  echo \"$i $V $1\" >> {_quoted(n)}\ndone", NAMES),
    st.builds(lambda n: f"if [ -d {_quoted(n)} ]; then touch {_quoted(n)}/in; else touch no; fi", NAMES),
    st.builds(lambda n: f"(cd /opt && echo sub > {_quoted(n.replace('/', '-'))})", NAMES),
    st.builds(lambda n, t: f"A=({_quoted(t)} \"$V\" x); printf '<%s>' \"${{A[@]}}\" > {_quoted(n)}", NAMES,
        TEXTS),
    st.builds(lambda n, t: f"cat <<< {_quoted(t)} >> {_quoted(n)}", NAMES, TEXTS),
    st.builds(lambda n, t: f"echo {_quoted(t)} \\\n  two > {_quoted(n)} # and", NAMES, TEXTS),
    st.sampled_from(["f() { echo 1 >> f\necho 2 >> f\necho 3 >> f\n}", "f() { echo 2 >> f\necho 1 >> "
        "f\necho 3 >> f\n}",
                     "echo $'tab\\there' > 'ü é'"]),
    st.builds(lambda n: f"echo \"$V\" | sed s/a/b/ > {_quoted(n)}", NAMES),
)  # fmt: skip

ALONE = st.one_of(  # of which a line may have only one
    st.builds(
        lambda n, t: f'rec as root -- sh -c \'printf "%s|" "$@"\' sh {_quoted(t)} "$V" > {_quoted(n)}',
        NAMES,
        TEXTS,
    ),
    st.sampled_from(["alias w='touch '", "alias w='mkdir -p'", "w made", "unalias w"]),
)
QUOTES = st.sampled_from(["", "'"])
HERE = st.builds(lambda n, t, q: f"cat > {_quoted(n)} <<{q}END{q}\n{t}\n\t{t}\nEND", NAMES, TEXTS, QUOTES)
LINES = st.lists(COMMANDS, min_size=1, max_size=2).map("; ".join) | COMMANDS | HERE | ALONE


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds: it is not worth shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(LINES, min_size=15, max_size=40))
@example(["set -e", "set -- x 'y z'", 'echo "$1 $2" > arguments', "set +e", "(exit 3); touch after"])
def test_a_session_and_its_script_have_the_same_effect(bench: Bench, typed: list[str]) -> None:
    """Whatever was typed: where a script is written, a clean root is afterwards as the recorded one."""
    dropped = set()
    while True:
        try:
            bench.record(
                "\n".join(
                    [
                        "touch begin",
                        *(line for number, line in enumerate(typed) if number not in dropped),
                        "exit",
                    ]
                )
            )
            break
        except InvalidInput as error:
            refused = error
        wrong = {
            int(problem.field.split()[1])
            for problem in refused.problems
            if "after it had changed" in problem.got
        }
        assert len(wrong) == len(refused.problems), refused
        kept = [number for number in range(len(typed)) if number not in dropped]
        dropped |= {kept[number - 3] for number in wrong}  # events 1 and 2: the begin, `touch begin`
    verdict = bench.verify()
    assert verdict.words == "reproduces", [difference.text() for difference in verdict.real]
