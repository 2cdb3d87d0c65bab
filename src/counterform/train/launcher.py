"""`accelerate launch`, as a process that ends with the study which started it: `python -m counterform.train.launcher ARGUMENTS`."""

from __future__ import annotations

from counterform.children import end_with_parent
from counterform.errors import extra


def main() -> None:
    """Launch."""
    end_with_parent()
    with extra("train"):
        from accelerate.commands.launch import main as launch

    launch()


if __name__ == "__main__":
    main()
