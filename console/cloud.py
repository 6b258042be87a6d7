"""Which cloud a command talks to: the one that the shell names, else the local cloud when it runs, else the
default profile.

Only the environment differs between the two; no command asks which it is.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.errors import UserError

NAMED_BY = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True)
class Choice:
    """A cloud: `name` for the one line that says which, `variables` to lay over the environment ("" unsets
    one).
    """

    name: str
    variables: Mapping[str, str]


def choose(environ: Mapping[str, str], local: Choice | None, *, want_local: bool, home: Path) -> Choice:
    """The cloud for a command.

    `local` is the running local cloud, if it runs. `want_local` (the flag --local) takes it whatever the
    shell says; it is an error when it does not run. Credentials in the shell or in `home`/.aws are otherwise
    the user's own choice and win.
    """
    if want_local:
        if local is None:
            raise UserError(
                "--local, but the local cloud does not run",
                "a local cloud that is up",
                "start it with `invoke local.up`, then try again",
            )
        return local
    named = [name for name in NAMED_BY if environ.get(name)]
    if named:
        return Choice(f"as {', '.join(named)} in this shell", {})
    if local is not None and not any((home / ".aws" / name).is_file() for name in ("credentials", "config")):
        return local
    return Choice("the default AWS profile", {})


def running_local(project_root: Path) -> Choice | None:
    """The running local cloud of this project, with the environment of its Pulumi side; None when it does not
    run.
    """
    from localcloud.cloud import Cloud
    from localcloud.paths import Paths

    paths = Paths.find(project_root)
    cloud = Cloud.load(paths)
    if cloud is None:
        return None
    from localcloud.pulumi.environment import environment

    return Choice(f"the local cloud at {cloud.endpoint}", environment(paths, project_root, cloud))


def lay_over(environ: MutableMapping[str, str], variables: Mapping[str, str]) -> None:
    """Put `variables` into `environ`; an empty value unsets. A region by the one name counts by the other,
    which boto3 reads.
    """
    for name, value in variables.items():
        if value:
            environ[name] = value
        else:
            environ.pop(name, None)
    if environ.get("AWS_REGION"):
        environ.setdefault("AWS_DEFAULT_REGION", environ["AWS_REGION"])


def add_pulumi(environ: MutableMapping[str, str]) -> None:
    """Put the CLI of the user's cache on PATH when there is none on it, or one that set-up has skipped as
    well.

    One without a Python language host serves the local cloud only.
    """
    from localcloud.pulumi.cli import find_cli, is_ours, on_path

    there = on_path(environ.get("PATH"))
    if there is not None and is_ours(there):
        return
    cli = find_cli()
    if cli is not None and cli.from_cache and cli.has_python_host:
        environ["PATH"] = os.pathsep.join([str(cli.path.parent), environ.get("PATH", os.defpath)])


def project_root() -> Path:
    """The folder of Pulumi.yaml: this file's project."""
    return Path(__file__).resolve().parent.parent


def in_cloud(body: Callable[..., Any]) -> Callable[..., Any]:
    """Give a task the flag --local, and set the environment of the chosen cloud before its body runs."""

    @functools.wraps(body)
    def chosen(*args: Any, local: bool = False, **kwargs: Any) -> Any:
        from localcloud.cache import user_home

        root = project_root()
        choice = choose(os.environ, running_local(root), want_local=local, home=user_home())
        sys.stderr.write(f"cloud: {choice.name}\n")
        lay_over(os.environ, choice.variables)
        add_pulumi(os.environ)
        return body(*args, **kwargs)

    signature = inspect.signature(body)
    flag = inspect.Parameter("local", inspect.Parameter.KEYWORD_ONLY, default=False)
    chosen.__signature__ = signature.replace(parameters=[*signature.parameters.values(), flag])  # type: ignore[attr-defined]
    return chosen
