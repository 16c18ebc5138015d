"""Does the folder of a Space install from its own requirements, and serve an analysis, in a fresh environment?

    python benchmarks/space_install.py [--python python3.12] [--hardware cpu-basic] [--environment FOLDER]

Writes the folder as `mmer space` does, makes an environment with that Python, installs `requirements.txt` there and nothing else, starts
`app.py --public` on a free port of 127.0.0.1 with the folder alone on its path, and asks its `/analyze` for an example through the
environment's own gradio_client. Needs a package index, and 7 GB where pip brings torch with CUDA. `--environment`: one that an earlier
call left there is used as it is. Exit code 1 when pip fails, the page does not come, or the verdict is another than the stored one's.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = Path("assets/examples/1-librivox-young-man")
START_SECONDS = 600.0
ASK = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
heard = client.predict(handle_file(sys.argv[2]), api_name="/analyze")
found = client.predict(handle_file(sys.argv[2]), text=sys.argv[3], api_name="/analyze")
answer = {"best": found["best"], "probabilities": found["predictions"][found["best"]]["probabilities"]}
print(json.dumps(answer | {"recognised": heard["transcript"]["text"]}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="python3.12", help="program that makes the environment (%(default)s)")
    parser.add_argument("--hardware", default="cpu-basic", help="as of `mmer space` (%(default)s)")
    parser.add_argument("--environment", type=Path, help="where the environment is made and left (a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "space"
        environment = (options.environment or Path(temporary) / "environment").absolute()
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [sys.executable, "-m", "mmer", "space", str(folder), "--hardware", options.hardware, "--no-wheels"]
        subprocess.run(command, cwd=ROOT, check=True)
        if not (environment / "bin" / "python").exists():
            install(options.python, environment, folder / "requirements.txt")
        return serve(environment / "bin" / "python", folder, clean)


def install(program: str, environment: Path, requirements: Path) -> None:
    begun = time.perf_counter()
    subprocess.run([program, "-m", "venv", str(environment)], check=True)
    command = [environment / "bin" / "python", "-m", "pip", "install", "-q", "--no-cache-dir", "--retries", "1", "-r", requirements]
    subprocess.run([str(part) for part in command], check=True)
    print(f"installed in {time.perf_counter() - begun:.0f} s")


def serve(python: Path, folder: Path, clean: dict[str, str]) -> int:
    versions = (
        "import sys, torch, gradio; print('Python', sys.version.split()[0], 'torch', torch.__version__, 'gradio', gradio.__version__)"
    )
    subprocess.run([python, "-c", versions], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stored = json.loads((folder / EXAMPLE / "analysis.json").read_text())
    begun = time.perf_counter()
    command = [python, "app.py", "--public", "--host", "127.0.0.1", "--port", str(port)]
    app = subprocess.Popen(command, cwd=folder, env=clean)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url, app)
        print(f"the page came after {time.perf_counter() - begun:.0f} s")
        begun = time.perf_counter()
        command = [python, "-c", ASK, url, EXAMPLE / "clip.wav", stored["transcript"]["text"]]
        asked = subprocess.run(command, cwd=folder, env=clean, check=True, capture_output=True, text=True)
        found = json.loads(asked.stdout.splitlines()[-1])
        print(f"two analyses after {time.perf_counter() - begun:.0f} s: {found}")
    finally:
        app.terminate()
        app.wait(60)
    expected = stored["predictions"][stored["best"]]["probabilities"]
    difference = max(abs(one - other) for one, other in zip(found["probabilities"], expected))
    print(f"largest difference to the stored probabilities: {difference:.1e}")
    return int(found["best"] != stored["best"] or difference > 1e-3)


def wait_for(url: str, app: subprocess.Popen[bytes]) -> None:
    """Returns when the page answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and app.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"The app did not come up (exit code {app.poll()}).")


if __name__ == "__main__":
    sys.exit(main())
