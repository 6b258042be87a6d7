"""`invoke lint-provision` on scripts: every rule by what it must find and what it must leave alone, with the
line.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_builder import secrets
from image_builder.lint.findings import RULES
from image_builder.lint.scripts import lint_script
from localcloud.tests.properties import examples

STRICT = "#!/bin/bash\nset -euo pipefail\n"
UPDATED = STRICT + "apt-get update\n"
AWS_KEY, AWS_SECRET = "AKIA" + "Q3ZJ7WXKPL5MN2RT", "kX9/2mVqPz7LwT4hYb8RcD1sNf6GjU3aEo5HiKtQ"
GITHUB = "ghp_" + "a1B2c3D4" * 5


def found(text: str, head: str = STRICT) -> list[tuple[int, str]]:
    """Line (1: the first after the head) and rule of each finding."""
    return [
        (finding.line - head.count("\n"), finding.rule) for finding in lint_script(head + text + "\n", "x.sh")
    ]


COMMIT = "git -C x checkout " + "a" * 40
BAD = [
    (f"git clone https://github.com/cunningham-lab/neurocaas_contrib\n{COMMIT}", [(1, "place")]),
    (f"git clone --depth 1 git@github.com:lab/neurocaas_contrib.git\n{COMMIT}", [(1, "place")]),
    (f"git clone https://example.org/tools.git /home/ubuntu/neurocaas_contrib\n{COMMIT}", [(1, "place")]),
    ("mkdir -p ~/neurocaas_contrib/tools", [(1, "place")]),
    ('cp -r tools "$HOME/neurocaas_contrib"', [(1, "place")]),
    ("apt-get install curl", [(1, "apt-yes")]),
    ("DEBIAN_FRONTEND=noninteractive sudo -E apt-get \\\n  --no-install-recommends install curl",
        [(1, "apt-yes"), (1, "sudo")]),
    ("apt-get upgrade", [(1, "apt-yes")]),
    ("apt-get remove -q curl", [(1, "apt-yes")]),
    ("if true; then\n  apt-get purge curl\nfi", [(2, "apt-yes")]),
    ("install() {\n  apt-get install \"$@\"\n}\ninstall curl", [(2, "apt-yes")]),
    ("yum update", [(1, "apt-yes")]),
    ("dnf install gcc", [(1, "apt-yes")]),
    ("apt install --yes curl", [(1, "apt-cli")]),
    ("apt-get install --yes nvidia-driver-550", [(1, "driver")]),
    ("apt-get install --yes curl linux-image-aws", [(1, "driver")]),
    ("modprobe nvidia", [(1, "driver")]),
    ("conda install numpy=1.26", [(1, "conda-yes")]),
    ("mamba create -n x python", [(1, "conda-unpinned"), (1, "conda-yes")]),
    ("conda install -y -c conda-forge \\\n  numpy=1.26 \\\n  scipy", [(3, "conda-unpinned")]),
    ("pip install numpy", [(1, "pip-unpinned")]),
    ("pip install 'numpy>=1.2'", [(1, "pip-unpinned")]),
    ("python3 -m pip install --upgrade --index-url https://x.example/simple numpy==1.26.4 \\\n    scipy",
        [(2, "pip-unpinned")]),
    ("/opt/venv/bin/pip3.11 install numpy~=1.0", [(1, "pip-unpinned")]),
    ("uv pip install numpy", [(1, "pip-unpinned")]),
    ("curl -fLO https://x.example/v1/a.tgz", [(1, "download-unchecked")]),
    ("wget https://x.example/v1/a.tgz\ntar xzf a.tgz", [(1, "download-unchecked")]),
    ("wget -qO- https://x.example/v1/a.tgz | tar xz -C /opt", [(1, "download-unchecked")]),
    ("wget https://x.example/v1/a.deb\ncurl https://x.example/key | gpg --dearmor -o /etc/key.gpg",
        [(1, "download-unchecked")]),
    ("curl -s https://x.example/v1/list | grep x | sort > /opt/list", [(1, "download-unchecked")]),
    ("curl -s https://x.example/v1/a.gz | gunzip -c | tee /opt/a", [(1, "download-unchecked")]),
    ("curl https://x.example/releases/latest/a.tgz > a\nsha256sum -c sums", [(1, "moving-ref")]),
    ("wget https://x.example/Miniconda3-latest-Linux-x86_64.sh\nsha256sum -c sums", [(1, "moving-ref")]),
    ("wget https://x.example/o/r/archive/refs/heads/main.zip\nsha256sum -c sums", [(1, "moving-ref")]),
    ("git clone https://x.example/o/r", [(1, "moving-ref")]),
    ("git clone --depth 1 -b main https://x.example/o/r", [(1, "moving-ref")]),
    ("curl -fsSL https://x.example/i.sh | bash", [(1, "pipe-shell")]),
    ("curl -sS https://x.example/installer | php", [(1, "pipe-shell")]),
    ("pip install git+https://x.example/o/r.git", [(1, "pip-unpinned")]),
    ("curl -fsSL https://x.example/i.sh | sudo -E bash -s -- --yes", [(1, "pipe-shell"), (1, "sudo")]),
    ("bash <(curl -s https://x.example/i.sh)", [(1, "pipe-shell")]),
    ("sh -c \"$(curl -fsSL https://x.example/i.sh)\"", [(1, "pipe-shell")]),
    ("eval \"$(wget -qO- https://x.example/i.sh)\"", [(1, "pipe-shell")]),
    ("sudo ls", [(1, "sudo")]),
    ("sudo -i", [(1, "sudo")]),
    ("nano /etc/hosts", [(1, "interactive")]),
    ("true && vim x", [(1, "interactive")]),
    ("crontab -e", [(1, "interactive")]),
    ("passwd ubuntu", [(1, "interactive")]),
    ("adduser alice", [(1, "interactive")]),
    ("read -rp 'go on? ' answer", [(1, "interactive")]),
    ("ssh-keygen -t ed25519", [(1, "interactive")]),
    ("docker run -it ubuntu", [(1, "interactive")]),
    ("select x in a b; do break; done", [(1, "interactive")]),
    ("bash", [(1, "nested-shell")]),
    ("cd /opt\npython3\nls", [(2, "nested-shell")]),
    ("su - ubuntu", [(1, "nested-shell")]),
    ("bash --login", [(1, "nested-shell")]),
    ("python3.12 -q", [(1, "nested-shell")]),
    ("sudo -iu ubuntu", [(1, "sudo")]),
    ("reboot", [(1, "reboot")]),
    ("sleep 1; /sbin/shutdown -r now", [(1, "reboot")]),
    ("systemctl reboot", [(1, "reboot")]),
    ("init 6", [(1, "reboot")]),
    ("sleep 100 &", [(1, "background")]),
    ("x=$(vim y)", [(1, "interactive")]),
    ("case $1 in\n  a) true ;;\n  b|c) reboot ;;\nesac\nreboot", [(3, "reboot"), (5, "reboot")]),
    ("if true; then", [(2, "syntax")]),
    ("echo 'open", [(1, "syntax")]),
    ("cat <<EOF\nno end", [(2, "syntax")]),
    ("for x in a; do echo; don", [(2, "syntax")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_finds(text: str, expected: list[tuple[int, str]]) -> None:
    assert found(text, UPDATED) == expected


GOOD = r"""
mkdir -p /opt/neurocaas_contrib /home/ubuntu/neurocaas_contrib_tools
apt-get install --yes --no-install-recommends curl
DEBIAN_FRONTEND=noninteractive apt-get install -yqq curl
apt-get -y -o Dpkg::Options::=--force-confold install curl
apt-get install -s curl
apt-cache policy curl && dpkg -i /tmp/a.deb
yum -y update && dnf install -y gcc
conda create --yes --name x python=3.11 conda-forge::numpy=1.26
conda env create -f env.yml && conda run -n x python -c 'print(1)'
conda install --yes --file packages.txt
pip install numpy==1.26.4 'scipy[all]==1.13' "torch==${TORCH}"
pip install --require-hashes -r requirements.txt
pip install -c constraints.txt -r requirements.txt --find-links /opt/wheels
pip install . && pip install -e '.[dev]' && pip install /opt/a-1.0-py3-none-any.whl
pip install git+https://x.example/o/r@0123456789abcdef 'foo @ https://x.example/foo-1.0.tar.gz'
curl -fsSLo a.tgz https://x.example/v1/a.tgz; echo 'abc  a.tgz' | sha256sum --check
curl -fsSL https://x.example/key.asc | gpg --dearmor -o /usr/share/keyrings/x.gpg
curl -s http://169.254.169.254/latest/meta-data/instance-id > /run/id
TOKEN=$(curl -sX PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')
curl -sf http://localhost:8080/health -o /dev/null
curl -s https://x.example/v1 | python3 -c 'import json, sys; json.load(sys.stdin)'; curl -s https://x.example/v1 | perl -ne print
url=$(curl -fsSL https://x.example/api/v1 | jq -r .url | awk '{print $2}'); curl -s https://x.example/v1 | grep -q ready
wget -qO- https://x.example/v1/ready | grep -q yes; curl -so - https://x.example/v1/ready
git clone --branch v1.2 https://x.example/o/r
git clone https://x.example/o/r && git -C r checkout 0123abc
sudo -u ubuntu -H bash -c 'ls'
su ubuntu -c ls; su - ubuntu -c "ls"; su -lc ls ubuntu
su ubuntu <<'END'\nls\nEND
wget https://x.example/v1/a.tgz; gpg --verify a.tgz.sig a.tgz
sudo -u ubuntu python3 --version; sudo -Hu ubuntu bash -c ls
python3 - <<'END'\nprint(1)\nEND
cat <<'END' | bash\nvim\nreboot\nEND
bash -c 'cd /x && ls'; bash install.sh; node a.js; psql -c 'select 1'; mysql < a.sql; python3 < a.py
for x in bash python3 vi; do command -v $x; done; which python3; type bash
case "$1" in reboot|vi) echo x;; python3) echo y;; (bash) echo z;; esac
case $x in\n  # how\n  vi | nano)\n    echo editor\n    ;;\n  *) echo none\nesac
echo "run bash, then vi or reboot" > /etc/motd # and sudo reboot
trap 'echo reboot' EXIT
vi() { true; }; reboot_now() { true; }
vim -es -u NONE -c x f; nano --version
passwd -l ubuntu; adduser --system --group x; adduser --disabled-password --gecos '' y; adduser ubuntu docker
echo "x:$HASH" | chpasswd -e
while read -r a b; do echo "$a"; done < f; read -r x < /etc/hostname
ssh-keygen -t ed25519 -N '' -f k; ssh-keygen -A
sleep 1 & wait
(sleep 1 & wait)
make -j4 2>&1 | tee log; a >&2; b &> log
cd /opt; cd -- "$HOME"
x=$((1 << 2)); [[ $a =~ ^(x|y)$ ]] && echo y; arr=(bash vi python3); echo "${a//vi/reboot}" ${#arr[@]}
cat > /etc/systemd/system/x.service <<'END'\n[Service]\nExecStart=/usr/bin/python3\nEND
cat <<-END > f\n\tvi\n\tEND\necho done
cat <<A <<B\nvi\nA\nreboot\nB
echo café > /tmp/ünïcode; echo a#b; true;# vi
echo "$(cat <<'END'\nvi\nEND\n)"
shutdown -c; telinit u; systemctl enable nginx
printf '%s ' "a\nvi\nb"
if ! command -v aws > /dev/null 2>&1; then echo none; fi
""".strip().split("\n")  # noqa: E501


@pytest.mark.parametrize("text", [line.replace("\\n", "\n").replace("\\t", "\t") for line in GOOD])
def test_leaves_alone(text: str) -> None:
    assert found(text, UPDATED) == []


def test_the_index_is_asked_for_before_packages() -> None:
    assert found("apt-get install --yes curl") == [(1, "apt-update")]
    assert found("apt-get install --yes ./curl.deb") == []
    assert found("apt-get install --yes curl", UPDATED) == []


def test_cd_matters_only_where_a_failure_goes_unnoticed() -> None:
    assert found("cd /opt/x\nrm -rf y", "#!/bin/bash\n") == [(1, "cd-unchecked")]
    for text in (
        "cd /opt/x || exit 1",
        "cd x && ls",
        "if cd x; then ls; fi",
        "if ! cd x; then exit 1; fi",
        "cd",
        "cd /",
        "set -e\ncd x",
    ):
        assert found(text, "#!/bin/bash\n") == [], text
    assert found("cd /opt/x", "#!/bin/bash -eu\n") == []


def test_a_script_says_what_runs_it() -> None:
    assert [finding.rule for finding in lint_script("true\n", "x.sh")] == ["shebang"]
    assert lint_script("true\n", "x.sh", standalone=False) == []


SECRETS = [
    f"export AWS_ACCESS_KEY_ID={AWS_KEY}",
    f"aws configure set aws_secret_access_key {AWS_SECRET}",
    f"aws_secret_access_key = {AWS_SECRET}",
    f"git clone https://{GITHUB}@github.com/o/r -b v1",
    "git clone https://user:hunter22@x.example/o/r -b v1",
    "psql postgres://admin:hunter22@db/x -c 'select 1'",
    "pip install --index-url https://me:hunter22@x.example/simple foo==1.0",
    "curl -u admin:hunter22 https://x.example/y",
    "curl -H 'Authorization: Bearer abcdefghijklmnop' https://x.example/y",
    'curl -H "X-Api-Key: abcdefghijklmnop" https://x.example/y',
    "mysql -uroot -phunter22 -e 'select 1'",
    "sshpass -p hunter22 ssh host ls",
    "echo 'root:hunter22' | chpasswd",
    "echo 'machine x login me password hunter22' > ~/.netrc",
    """echo '{"password": "hunter22"}' > /etc/x.json""",
    "wget --password=hunter22 --user=me -O /dev/null https://x.example/y",
    "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "git config --global user.token abcdefghijklmnop",
    "npm config set //registry.x.example/:_authToken=hunter22",
    f"printf 'AWS_SECRET_ACCESS_KEY=%s' {AWS_SECRET} > /etc/x",
    "export OPENAI_API_KEY=sk-abcdefghijklmnopqrstuvwx",
    "DB_PASSWORD='hunter22'",
    "DB_PASSWORD='hunter22(x'",
    "mysql -e \"SET PASSWORD = PASSWORD('hunter22')\"",
    "cat > key <<'END'\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE "
    "KEY-----\nEND",
]
NO_SECRETS = """
PASSWORD=$(aws ssm get-parameter --name /x --with-decryption --query Parameter.Value --output text)
docker login --password-stdin < /run/x
DB_PASSWORD=${DB_PASSWORD:?give it}
aws secretsmanager get-secret-value --secret-id my-secret-name
sed -i 's/^PasswordAuthentication .*/PasswordAuthentication no/' /etc/ssh/sshd_config
pip install tokenizers==0.19.1
export TOKENIZERS_PARALLELISM=false
max_tokens=1024000
git clone git@github.com:o/r x -b v1.2
grep -q 'password: ' /etc/x
git config --global credential.helper store
git checkout 0123456789abcdef0123456789abcdef01234567 # aws_secret
echo "the token is read from SSM; secret: see the wiki"
curl -u "$USER:$PASSWORD" https://x.example/y
curl -u "me:${PASSWORD}" https://x.example/y
mysql -uroot -p"$PASSWORD" -e 'select 1'
echo 'abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789  a.tgz' | sha256sum --check
PASSWORD_FILE=/run/secrets/x
SET PASSWORD = PASSWORD("${VARIABLE}")
mysql -e "SET PASSWORD FOR me = PASSWORD('${VARIABLE}')"
mysql -e "ALTER USER me SET PASSWORD = PASSWORD('$VARIABLE')"
token = os.environ["TOKEN"]
password: read_secret(name)
password=`cat /run/x`
api_key="prefix-$VARIABLE"
git config http.extraheader "AUTHORIZATION: basic ${VARIABLE}"
--token "$TOKEN" --secret-name /neurocaas/x
https://proxy.example:3128/o@v1
""".strip().split("\n")


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_found_and_taken_out(text: str) -> None:
    rules = [rule for _, rule in found("# first\n" + text)]
    assert "secret" in rules
    hidden = secrets.hide(text)
    for word in ("hunter22", AWS_KEY, AWS_SECRET, GITHUB, "abcdefghijklmnop", "b3BlbnNzaC1rZXk"):
        assert word not in hidden
    assert not list(secrets.find(hidden)), "what stands in its place is none"


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret(text: str) -> None:
    assert list(secrets.find(text)) == []


def test_what_git_installs_is_pinned_by_a_commit() -> None:
    (finding,) = lint_script("#!/bin/bash\npip install git+https://x.example/o/r.git\n", "x.sh")
    assert finding.fix == "Write `git+https://x.example/o/r.git@COMMIT`"


def test_every_rule_for_scripts_is_tried_here() -> None:
    tried = {rule for _, expected in BAD for _, rule in expected}
    scripts = {rule for rule in RULES if list(RULES).index(rule) < list(RULES).index("yaml")}
    assert scripts - tried == {"encoding", "shebang", "interpreter", "apt-update", "cd-unchecked", "secret"}


WORDS = st.sampled_from([
    "'", '"', "`", "$(", ")", "${", "}", "<<E", "E", "|", "&", ";", "case", "in", "esac", ";;", "\\", "#",
    "é", "curl", "x", "(", "\n", " ",
])  # fmt: skip


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(WORDS, max_size=30).map("".join))
def test_no_text_is_too_broken_to_read(text: str) -> None:
    for finding in lint_script(text, "x.sh"):
        assert 1 <= finding.line <= text.count("\n") + 1
