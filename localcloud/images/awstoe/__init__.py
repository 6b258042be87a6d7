"""A runner of AWSTOE component documents (the language of EC2 Image Builder): pure Python, all 26 actions
that Linux knows.

The language itself, how documents are read and checked, is ``awstoe``. Here ``runner`` executes, and
``python -m localcloud.images.awstoe`` runs documents inside a sandbox. Source of the semantics: EC2 Image
Builder User Guide, "Use the AWS Task Orchestrator and Executor component management application".
"""
