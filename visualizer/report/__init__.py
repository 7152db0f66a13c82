"""The report: one HTML file that opens without a network, made of `Findings`."""

from visualizer.report.page import write

__all__ = ["write"]
