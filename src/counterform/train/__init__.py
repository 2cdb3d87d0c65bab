"""Trainers: one arm in, one checkpoint and its ledger out."""
