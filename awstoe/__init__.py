"""The language of AWSTOE, in which EC2 Image Builder's component documents are written.

`reading` turns a text into values that know their lines, `checks` says all that is wrong with them, `actions`
is the table of action modules, `conditions`, `loops` and `references` are the small grammars inside a step.
Nothing here runs anything. The linter (`image_builder/lint`) and the local runner
(`localcloud/images/awstoe`) stand on it, so what one finds the other refuses.

Source: EC2 Image Builder user guide, "Use the AWSTOE component document framework". Where the guide is
silent:

- A key that stands twice in a mapping is an error, wherever it is. YAML says so; a reader that keeps the
  last value would run another document than the author reads.
- An input that an action does not know is tolerated, as AWS does (public documents give `force` to
  DeleteFile): the linter warns, the runner says so in its log and goes on.
- A reference from the test phase to a step of another phase is an error: the phases run on different
  machines.
"""
