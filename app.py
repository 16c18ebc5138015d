"""Starts the web app. `python app.py --help` lists its options."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from mmer.space.zero import load_analyzer  # the first of ours: on ZeroGPU it brings `spaces`, which has to come before torch

# isort: split
from mmer.commands.options.clip import add_aligner_options, add_preset, read_aligner_options
from mmer.commands.options.device import add_device, read_device
from mmer.errors import MmerError
from mmer.experiments.training_service import PUBLIC, TrainingService
from mmer.pipeline import Analyzer
from mmer.ui import build_app, serve
from mmer.ui.page.upload_folder import serve_and_end

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the explorer as a web page.")
    parser.add_argument("--host", default=None, help="address to listen on (default: 127.0.0.1; 0.0.0.0 with --public)")
    parser.add_argument("--port", type=int, default=None, help="port to listen on (default: 7860, or GRADIO_SERVER_PORT)")
    add_preset(parser)
    add_device(parser)
    add_aligner_options(parser)
    parser.add_argument("--heads", type=Path, default=HERE / "pretrained", help="folder of the trained heads (default: pretrained)")
    parser.add_argument(
        "--public",
        action="store_true",
        help="serve strangers: a bounded line for the models, a line about recordings, no training; set by itself on a Hugging Face Space",
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of data sets that the Train tab may read; can be given several times",
    )
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="where experiments are kept (default: runs; none with --public)")
    parser.add_argument("--features", type=Path, default=HERE / "cache", metavar="FOLDER", help="the feature cache (default: cache)")
    parser.add_argument("--mcp", action="store_true", help="also serve the endpoints as MCP tools (docs/api.md); needs the extra `mcp`")
    options = parser.parse_args()
    if options.mcp and find_spec("mcp") is None:
        parser.exit(2, "--mcp needs the mcp package: pip install -e '.[mcp]' in the project's folder\n")
    is_public = options.public or "SPACE_ID" in os.environ
    try:
        device, aligner_options = read_device(options), read_aligner_options(options)
        analyzer = load_analyzer(preset=options.preset, heads_folder=options.heads, device=device, aligner_options=aligner_options)
    except MmerError as error:
        parser.exit(2, f"{error}\n")
    for sentence in filter(None, (analyzer.placement.reason, analyzer.recogniser.place.reason)):
        print(sentence, file=sys.stderr)
    service = open_training(options, is_public=is_public)
    serve_and_end(lambda: run_app(parser, options, analyzer, service, is_public=is_public))


def run_app(
    parser: argparse.ArgumentParser, options: argparse.Namespace, analyzer: Analyzer, service: TrainingService, *, is_public: bool
) -> None:
    """Serves until it is stopped."""
    app = build_app(analyzer, examples=HERE / "assets" / "examples", service=service, is_public=is_public)
    try:
        host = options.host or ("0.0.0.0" if is_public else None)
        serve(app, mcp=options.mcp, is_public=is_public, server_name=host, server_port=options.port)
    except OSError as error:
        if "empty port" not in str(error):
            raise
        parser.exit(2, f"Port {options.port} is taken by another program; choose another with --port.\n")


def open_training(options: argparse.Namespace, *, is_public: bool) -> TrainingService:
    """Where the Train tab reads and writes; for strangers it only shows what was recorded, and --runs where it was named."""
    return TrainingService(
        runs=options.runs or (None if is_public else HERE / "runs"),
        features=options.features,
        roots=tuple(root.resolve() for root in options.data_root),
        recorded=HERE / "assets" / "runs",
        shipped=HERE / "assets" / "game-voices",
        heads=options.heads,
        closed=PUBLIC if is_public else "",
    )


if __name__ == "__main__":
    main()
