"""Options of commands that choose datasets out of a folder of a format of the field."""

from collections.abc import Sequence

from neurocaas.commands.speaking import note
from neurocaas.errors import AnalysisError
from neurocaas.formats.file_tree import FileTree

BIDS = {
    "bids": "A BIDS folder: each participant is a dataset, with the files at the top of the folder.",
    "participants": "Of the BIDS folder only these, such as 01,02. Default: all.",
    "session": "Of the BIDS folder only these sessions, such as 1,2. Default: all.",
    "include": "Folders at the top of the BIDS folder that go along, such as derivatives.",
}


def bids_trees(
    folder: str, participants: str, session: str, include: str, ignore: Sequence[str]
) -> tuple[FileTree, ...]:
    """The participants' datasets of a BIDS folder, none without a folder; what is left out is said."""
    if not folder:
        given = {"--participants": participants, "--session": session, "--include": include}
        if named := [name for name, value in given.items() if value]:
            raise AnalysisError(
                f"{', '.join(named)} without a BIDS folder", "them beside --bids FOLDER", "name the folder"
            )
        return ()
    from neurocaas.formats.bids import choose

    chosen = choose(folder, _words(participants), _words(session), _words(include), ignore)
    for line in chosen.left_out:
        note(line)
    return chosen.trees


def tree_lines(trees: Sequence[FileTree]) -> list[str]:
    """What goes where, for people: a line for each dataset, then its files."""
    from neurocaas.formats.bids import listing

    return listing(trees)


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
