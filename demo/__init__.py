"""The guided tour (`invoke demo`): the whole service once, on this machine, with real data.

It stands beside the other rooms because it is the one program that walks through all of them, and none of
them may know it.
"""
