"""What an AWS account must have before anything is made in it, found out by calls that read, or that AWS only
rehearses (`DryRun`). `list.py` has every question; a question is one small object.
"""
