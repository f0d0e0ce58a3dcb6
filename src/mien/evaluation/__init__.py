"""Judging a network: scores, metrics, reports and figures."""
