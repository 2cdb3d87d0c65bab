"""Readings into findings: estimates, intervals, verdicts. Pure; no torch."""
