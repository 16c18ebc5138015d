"""`mmer demo-heads`: see mmer/demo_heads/command.py."""

from mmer.demo_heads.command import add_train_arguments as add_arguments
from mmer.demo_heads.command import run_train as run

__all__ = ["add_arguments", "run"]
