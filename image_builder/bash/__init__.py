"""What a bash command means: reading it, the programs that matter, and what they would do. Nothing is run but
`bash -n`. The linter and the recording stand on it; it imports nothing of ours.
"""
