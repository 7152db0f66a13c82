"""Measured speed: every script prints the project against a stated reference (harness.py)."""
