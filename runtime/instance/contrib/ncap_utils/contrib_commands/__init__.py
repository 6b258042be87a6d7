"""The command `neurocaas-contrib`: what ../contrib_cli.py starts, by the machine's own Python."""
