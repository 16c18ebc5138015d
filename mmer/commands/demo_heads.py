"""`mmer demo-heads`: see mmer/training/commands.py."""

from mmer.training.commands import add_train_arguments as add_arguments
from mmer.training.commands import run_train as run

__all__ = ["add_arguments", "run"]
