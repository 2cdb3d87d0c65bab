"""A referee for many candidates: what is compared is written down first, and of a held-out score only the verdict is released."""

from counterform.referee.referee import declare, state, submit

__all__ = ["declare", "state", "submit"]
