"""What continuous integration asks before a change is deployed: what would change, which rules it would
break, which images it needs.
"""
