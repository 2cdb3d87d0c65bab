"""A study file to start from, with the user's data in it: columns that were recognised, sizes that could find something."""

from counterform.starter.starter import Starter, embedded, fresh_name, starter

__all__ = ["Starter", "embedded", "fresh_name", "starter"]
