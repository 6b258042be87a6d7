"""Benchmarks: programs that print figures, see README.md."""
