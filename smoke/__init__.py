"""`invoke smoke`: the service tried on whichever cloud the shell names, with stacks of its own, and taken
away again; what is known afterwards of a real account is told in a report that names none.
"""
