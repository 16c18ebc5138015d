"""Run by test_zero.py: the app's analyzer with the real `spaces` as on ZeroGPU, but for the card and the service that lends it.

    python tests/space/zero_gpu.py CLIP  ->  a JSON object on the last line of standard output

The service answers on loopback: first that the quota is used up, then with a card that breaks, then with one that works. A card that
works is stood in for by the CPU: `spaces` forks its process, pickles into it and out of it, and "moves" the weights.
"""

import json
import multiprocessing
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch


def say_no():
    return False


if torch.version.cuda is None:  # what `spaces` takes from a build with CUDA
    torch.version.cuda, torch._C._cuda_init, torch.cuda._is_in_bad_fork = "13.0", None, say_no
asked = []
answers = {"/schedule": (429, {"left": 0, "wait": 3600})}


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        path = self.path.partition("?")[0]
        asked.append(self.path)
        status, body = answers.get(path, (200, {}))
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_port}"}

import mmer.space.zero as zero
from mmer.audio.load import load_audio

analyzer = zero.load_analyzer(preset="compact", heads_folder=Path(__file__).parents[2] / "pretrained")
clip = load_audio(Path(sys.argv[1]))
found = {"kind": type(analyzer).__name__, "cards": torch.cuda.device_count()}


def analyze():
    with analyzer.queue.take():
        analysis = analyzer.analyze(clip, text="he was not an ill disposed young man", aligner="none")
    return {"logits": analysis.best.logits.tolist(), "notices": [notice.text for notice in analysis.notices]}


found["quota"] = analyze()
answers["/schedule"] = (200, {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "none", "allowToken": "t"})
found["broken"] = analyze()

from spaces.zero import torch as of_spaces
from spaces.zero.torch.patching import cuda_aliases


def move(callback=None):
    """What is done with a card, without one: the tensors that stand for those on the card get their values."""
    for stand_in, value in cuda_aliases.items():
        stand_in.data = value


of_spaces.init, of_spaces.move = (lambda card: None), move
found["works"] = analyze()
found["asked"] = asked
found["weights"] = sum(value.numel() for value in cuda_aliases.values() if value is not None)
print(json.dumps(found), flush=True)
for process in multiprocessing.active_children():
    process.kill()
os._exit(0)
