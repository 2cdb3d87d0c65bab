"""The embedded world: the tiny base model that a study starts from, and the program that made it."""

from pathlib import Path

BASE = Path(__file__).parent / "base"
"""The tiny base model, an ordinary Hugging Face directory inside the package."""
