"""Reading provisioning scripts and component documents for mistakes that would show late, or not at all.

`findings.RULES` lists what is looked for; docs/images.md has the same list for people.
"""
