"""Grading: final answers, single steps, and the graders themselves."""
