"""`invoke promote`, `adopt`, `unlock`, `destroy`, `empty-bucket`, `recover`: thin over the Pulumi CLI and
S3.
"""

import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from console.commands import adopt_what_is_own, end, engine_of, engine_of_deployed, ensure_stack, refreshing
from neurocaas.protocol.lines import say
from neurocaas.protocol.printable import printable
from neurocaas.protocol.problems import three_parts


def _confirm(question: str, word: str, yes: bool) -> None:
    """Go on when `word` is typed, or --yes was given; else end with code 1."""
    if yes:
        return
    if not sys.stdin.isatty():
        allowed, do = f"the word '{word}', typed on a terminal", "add --yes if that is what you want"
        raise Exit(three_parts(f"{question}\nerror: no terminal to ask on", allowed, do), code=1)
    sys.stdout.write(f"{question}\nType '{word}' to go on: ")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != word:
        raise Exit("Nothing was changed.", code=1)


@task(
    help={
        "source": "The stack that has been tried: <analysis>-<stage>.",
        "target": "The same analysis at a later stage.",
        "yes": "Do not ask: deploy at once, without a preview.",
    }
)
def promote(c: Context, source: str, target: str, yes: bool = False) -> None:
    """Deploy to a later stage what runs at an earlier one: the same image, the same code, the same blueprint.

    Refuses when this checkout is not what SOURCE runs (its preview must show no change). What differs by
    intent is said first: the blueprint's section for the stage.
    """
    from console.cloud import project_root
    from console.errors import UserError
    from console.promotion import carried, check, differences, not_the_same

    before, after = check(source, target, project_root())
    engine, source = engine_of(source)
    _, target = engine_of(target)
    deployed = engine.outputs(source)
    if before.image.required and not deployed.get("image_ready"):
        raise UserError(
            f"{source} has no baked image",
            "a stack whose image is ready",
            f"invoke bake-ami --stack {source}, then deploy it",
        )
    preview = engine.capture(
        "preview", "--stack", source, "--non-interactive", "--expect-no-changes", "--suppress-outputs"
    )
    if preview.returncode != 0:
        raise UserError(
            f"this checkout is not what {source} "
            f"runs:\n{preview.stdout.strip()[-2000:]}\n{preview.stderr.strip()[-500:]}".rstrip(),
            "a checkout from which a deploy of it changes nothing",
            f"check out what was deployed, or deploy and try this one first: invoke deploy {source}",
        )
    say(f"{source} -> {target}")
    for line in carried(deployed):
        say(f"  the same {line}")
    for line in differences(before, after):
        say(f"  differs as the blueprint says: {line}")
    ensure_stack(engine, target)
    end(
        engine.show(
            "up",
            "--stack",
            target,
            *refreshing(),
            *(("--yes", "--skip-preview", "--non-interactive") if yes else ()),
        )
    )
    wrong = not_the_same(deployed, engine.outputs(target))
    if wrong:
        do = f"compare the stacks' config (stacks/Pulumi.{target}.yaml) and their accounts, then try again"
        raise UserError(
            f"{target} is not the same as {source}:\n  " + "\n  ".join(wrong),
            "the same image and code in both",
            do,
        )
    say(f"{target} runs what {source} runs.")


@task(help={"stack": "utils, or <analysis>-<stage>."})
def adopt(c: Context, stack: str) -> None:
    """Import into a stack's state what belongs to the stack: after a killed deploy, or a lost state.

    What is found by name and carries the stack's tags (or lies on what does) is imported; nothing else is
    taken, and nothing in the cloud is changed. `invoke deploy` does the same first. What is in the way and
    not the stack's own is named.
    """
    engine, name = engine_of(stack)
    ensure_stack(engine, name)
    adopt_what_is_own(engine, name, always=True)


@task(help={"stack": "utils, or <analysis>-<stage>.", "yes": "Do not ask."})
def unlock(c: Context, stack: str, yes: bool = False) -> None:
    """Remove the lock that a killed deploy left on a stack (pulumi cancel).

    A lock keeps two deploys from changing a stack at the same time. Only remove it when nobody is deploying:
    a deploy that still runs ends badly. What the killed one has made and could not write down is taken into
    the state, as by `invoke adopt`.
    """
    from console import stacks
    from console.errors import UserError

    engine, name = engine_of_deployed(stack)
    cut = engine.torn()
    if not cut and name not in engine.stack_names():
        raise UserError(
            f"stack '{name}' is not in this backend",
            "a stack that exists",
            f"make it: invoke new-stack {name}",
        )
    _confirm(f"This ends any deploy of {name} that still runs, here or elsewhere.", name, yes)
    for file in engine.mend() if cut else ():
        say(f"{file} was cut off in the writing; what was there before it counts.")
    if name not in engine.stack_names():
        say(
            f"{name} has no state any more. What is its own is found by the next deploy: invoke deploy {name}"
        )
        return
    end(engine.show("cancel", "--yes", "--stack", name, "--non-interactive"))
    pending = _pending(engine, name)
    if stacks.without_blueprint(name, engine.root):
        say(f"{name} is unlocked; its blueprint is gone. To take it away: invoke destroy {name}")
        return
    if not pending and not cut:
        say(f"{name} is unlocked; nothing was left unfinished.")
        return
    say(f"{name} is unlocked. The killed deploy left {pending or 'something'} unfinished.")
    adopt_what_is_own(engine, name)
    say(f"To go on: invoke deploy {name}")


def _pending(engine: Any, stack: str) -> str:
    """How many operations the state calls unfinished, as words; "" for none."""
    import json

    done = engine.capture("stack", "export", "--stack", stack, "--non-interactive")
    if done.returncode != 0:
        return ""
    deployment = json.loads(done.stdout).get("deployment") or {}
    count = len(deployment.get("pending_operations") or ())
    return f"{count} operation{'' if count == 1 else 's'}" if count else ""


@task(
    help={
        "stack": "<analysis>-<stage>.",
        "prefix": "Only what is below it, for instance lab1/. Everything when left out.",
        "yes": "Do not ask. Of a prod stack, --bucket must be given as well.",
        "bucket": "The bucket's name, or the stack's, once more.",
        "count": "Only count.",
    }
)
def empty_bucket(
    c: Context, stack: str, prefix: str = "", yes: bool = False, bucket: str = "", count: bool = False
) -> None:
    """Delete everything in a stack's bucket, older versions too. There is no way back.

    Says how much it is, and asks.
    """
    from account.clients import client
    from blueprints import Stage
    from console import buckets, removal
    from console.errors import UserError

    engine, name = engine_of_deployed(stack)
    outputs = engine.outputs(name)
    own = _own_bucket(outputs, name)
    if bucket and not removal.means(name, own, bucket):
        raise UserError(f"--bucket {bucket}", f"the bucket of {name}: {own}", "correct one of the two")
    if prefix and not prefix.endswith("/"):
        raise UserError(
            f"--prefix {prefix}",
            "a prefix that ends in '/', so that lab1 does not mean lab10",
            f"write --prefix {prefix}/",
        )
    if outputs.get("stage") == Stage.PROD and yes and not bucket:
        raise UserError(
            "--yes for a prod stack",
            "--yes together with the bucket's name",
            f"if you mean it: --yes --bucket {own}",
        )
    s3 = client("s3")
    where = f"s3://{own}/{prefix}"
    found = buckets.contents(s3, own, prefix)
    say(f"{where} holds {found.text()}")
    if count or found.empty:
        return
    _confirm(f"All of {where} is deleted for good.", own, yes)
    _emptied(s3, own, prefix)


@task(
    help={
        "stack": "utils, or <analysis>-<stage>; also one whose blueprint is gone or was renamed.",
        "yes": "Do not ask.",
        "delete-data": (
            "Delete the users' data in the stack's bucket as well; running jobs are ended first. There is "
            "no way back."
        ),
        "bucket": "The bucket's name, or the stack's: asked for in production, and takes protection away.",
        "retire-images": (
            "Retire the machine images that were baked for it, and their snapshots, which cost money while "
            "they are kept."
        ),
    }
)
def destroy(
    c: Context,
    stack: str,
    yes: bool = False,
    delete_data: bool = False,
    bucket: str = "",
    retire_images: bool = False,
) -> None:
    """Delete a stack's resources (pulumi destroy). Shows them and asks first, unless --yes.

    Refuses while the stack's bucket has users' data, says how much it is, and takes it along only with
    --delete-data. Of `utils`: refuses while another stack needs it. Machine images outlive their stack: it
    says which there are and what they cost, and retires them when told so.
    """
    from account import developer_key
    from account.clients import client
    from console import buckets, removal, secret_store
    from console.images_left import ImagesLeft
    from console.open_jobs import OpenJobs

    engine, name = engine_of_deployed(stack)
    outputs = engine.outputs_if_any(name)
    resources = engine.resources(name)
    if name == "utils":
        removal.refuse_destroy_of_utils(engine.stacks())
        removal.refuse_protected(name, resources)
    make: Any = client
    s3 = make("s3")
    own = outputs.get("bucket") or (removal.data_bucket(resources) if name != "utils" else "")
    data = removal.users_data(s3, own, resources)
    removal.refuse_destroy(name, {**outputs, "bucket": own}, data, delete_data=delete_data, bucket=bucket)
    images = ImagesLeft(engine, name, make)
    if told := images.told():
        say(told)
    jobs = (
        OpenJobs(own, str(engine.outputs_if_any("utils").get("ledger_table") or ""), make) if data else None
    )
    if jobs:
        running = jobs.now()
        say(f"s3://{own}/ holds {sum(data.values(), buckets.Contents()).text()}\n{removal.told(data)}")
        first = (
            f"\n{running.text()} of it run{'' if len(running.jobs) > 1 else 's'}: cancelled and ended first."
            if running
            else ""
        )
        _confirm(f"All of it is deleted for good, and {name} with it.{first}", own, yes)
        if running:
            jobs.end(say)
    asked = bool(images.retirable) and not yes and not retire_images and sys.stdin.isatty()
    retire_images = retire_images or (
        asked and _agreed("Retire these images and delete their snapshots as well?")
    )
    if jobs:
        yes = True  # the name was typed: nothing more to ask
        _emptied(s3, own)
    if bucket:
        end(engine.show("state", "unprotect", "--all", "--yes", "--stack", name, "--non-interactive"))
    end(
        engine.show(
            "destroy", "--stack", name, *(("--yes", "--skip-preview", "--non-interactive") if yes else ())
        )
    )
    if name == "utils" and (gone := developer_key.forget(make("ssm"))):
        say(f"deleted with it: {', '.join(gone)}")
    elif name != "utils" and (gone := secret_store.remove_all(make("ssm"), name)):
        say(f"deleted with it: the values of {', '.join(gone)}")
    if retire_images:
        images.retire(say)
    elif images.retirable:
        say(images.remain())


def _agreed(question: str) -> bool:
    """Whether the answer is yes; no when nothing is typed."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _emptied(s3: Any, bucket: str, prefix: str = "") -> None:
    """Empty a bucket, or end with code 1 and what was refused."""
    from console import buckets

    where = f"s3://{bucket}/{prefix}"
    for line in buckets.empty(s3, bucket, prefix)[:20]:
        sys.stderr.write(f"{printable(line)}\n")
    left = buckets.contents(s3, bucket, prefix)
    if not left.empty:
        raise Exit(
            f"{where} still holds {left.text()}: somebody is writing to it, or deleting was refused. "
            "Run it again.",
            code=1,
        )
    say(f"{where} is empty.")


@task(
    help={
        "stack": "<analysis>-<stage>.",
        "prefix": "What to bring back, for instance lab1/results/job_1/.",
        "dry-run": "Only list what can come back.",
        "json": "One JSON document.",
    }
)
def recover(c: Context, stack: str, prefix: str, dry_run: bool = False, json: bool = False) -> None:
    """Bring deleted objects back, as they were last.

    A deleted object can come back for 30 days; then S3 drops it.
    """
    import json as document

    from account.clients import client
    from console import buckets

    engine, name = engine_of_deployed(stack)
    own = _own_bucket(engine.outputs(name), name)
    s3 = client("s3")
    keys, refused = (
        (sorted(buckets.deleted(s3, own, prefix)), []) if dry_run else buckets.recover(s3, own, prefix)
    )
    if json:
        say(
            document.dumps(
                {"bucket": own, "recovered": not dry_run, "keys": keys, "refused": refused}, indent=2
            )
        )
    else:
        for key in keys:
            say(f"s3://{own}/{key}")
        what = "can come back" if dry_run else "are back"
        sys.stderr.write(
            f"{len(keys)} object{'' if len(keys) == 1 else 's'} below s3://{own}/{prefix} {what}\n"
        )
    if refused:
        raise Exit(printable("\n".join(["S3 refused:", *refused[:20]])), code=1)


def _own_bucket(outputs: Any, stack: str) -> str:
    from console.errors import UserError

    if not outputs.get("bucket"):
        raise UserError(
            f"stack '{stack}' has no bucket of users' data",
            "a stack <analysis>-<stage>",
            "name an analysis's stack",
        )
    return str(outputs["bucket"])


collection = Collection(promote, adopt, unlock, destroy, empty_bucket, recover)
