"""A full house: visitors upload, open examples, analyse, export and leave in the middle; one sends a TextGrid of 50,000 intervals.

    python benchmarks/visitors.py [--visitors 50] [--minutes 5]

Starts `app.py --public` on a free port of 127.0.0.1 with a folder for uploads of its own, and ends it with SIGTERM; nothing else is called,
and it stops by itself a minute after the given time at the latest. The visitors speak to the server as the page does. Their speech is
LibriVox (Debian's pocketsphinx-testdata), each time at another loudness, so that nothing is known before. Prints how many examples were
refused, how many finished results were lost, how long people waited (median and longest), and the memory. Exit code 1 when an example was
refused, a finished result lost, a refusal came without its sentence, or a recording was left on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import soundfile

ROOT = Path(__file__).resolve().parents[1]
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
START_SECONDS, END_SECONDS = 420.0, 60.0
PATIENCE = 300.0  # seconds that an answer may take
THINK = (3.0, 15.0)  # seconds between two things that a visitor does
HABITS = {"open an example": 4, "analyse": 4, "leave in the middle": 1, "break off an upload": 1}  # and how often
KNOWN = "in line"  # of the sentence that refuses
MOST_VISITORS, MOST_MINUTES = 200, 60.0


@dataclass
class Found:
    """What happened to all visitors together."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    troubles: list[str] = field(default_factory=list)


class Page:
    """One opened page, spoken for without a browser."""

    def __init__(self, client: httpx.AsyncClient, config: dict[str, Any]):
        self.client, self.session = client, uuid4().hex
        self.events = {event["api_name"]: event for event in config["dependencies"] if event["api_name"]}

    async def ask(self, name: str, *data: Any) -> Any:
        """The values of an event that does not queue. Raises RuntimeError with the page's sentence."""
        body = self.write(name, data)
        answer = await self.client.post("/gradio_api/run/predict", json=body)
        if answer.status_code != 200:
            raise RuntimeError(answer.text[:300])
        return answer.json()["data"]

    async def stand_in_line(self, name: str, *data: Any) -> AsyncIterator[dict[str, Any]]:
        """The messages of an event that queues."""
        joined = await self.client.post("/gradio_api/queue/join", json=self.write(name, data))
        if joined.status_code != 200:
            raise RuntimeError(f"the queue answered {joined.status_code}")
        async with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "unexpected_error"):
                        return

    def write(self, name: str, data: tuple[Any, ...]) -> dict[str, Any]:
        event = self.events[name]
        values = [None] * (len(event["inputs"]) - len(data)) + list(data)  # the session comes first, and stays on the server
        return {"fn_index": event["id"], "data": values, "session_hash": self.session}

    async def upload(self, name: str, content: bytes) -> dict[str, Any]:
        answer = await self.client.post("/gradio_api/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def beat(self) -> None:
        """The connection by which the server knows that the page is open."""
        async with self.client.stream("GET", f"/gradio_api/heartbeat/{self.session}") as stream:
            async for _ in stream.aiter_bytes():
                pass


class Visitor:
    """Somebody who does one thing after the other until the time is over."""

    def __init__(self, number: int, client: httpx.AsyncClient, config: dict[str, Any], found: Found):
        self.client, self.config, self.found = client, config, found
        self.dice = random.Random(number)
        self.sends_textgrid = number == 0
        self.samples = soundfile.read(sorted(LIBRIVOX.glob("*.wav"))[number % 5])[0][: 16000 * 5]

    async def visit(self, end: float) -> None:
        while time.monotonic() < end:
            page = Page(self.client, self.config)
            beat = asyncio.create_task(page.beat())
            try:
                await self.look_around(page, end)
            finally:
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)

    async def look_around(self, page: Page, end: float) -> None:
        """Until this page is closed."""
        while time.monotonic() < end:
            await asyncio.sleep(self.dice.uniform(*THINK))
            habit = "textgrid" if self.sends_textgrid else self.dice.choices(list(HABITS), list(HABITS.values()))[0]
            self.sends_textgrid = False
            begun = time.monotonic()
            try:
                if habit == "leave in the middle":
                    await self.leave(page)
                    return
                await {
                    "open an example": self.open_example,
                    "analyse": self.analyse,
                    "break off an upload": self.break_off,
                    "textgrid": self.send_textgrid,
                }[habit](page)
            except (httpx.HTTPError, RuntimeError, KeyError) as error:
                self.found.counts[f"failed: {habit}"] += 1
                self.found.troubles.append(f"{habit}: {type(error).__name__} {error}"[:300])
            self.found.seconds[habit].append(time.monotonic() - begun)

    async def open_example(self, page: Page) -> None:
        name = self.dice.choice([event for event in page.events if event.startswith("open_") and f"show_{event[5:]}" in page.events])
        self.found.counts["examples asked for"] += 1
        await page.ask(name)
        shown = str(await page.ask(f"show_{name[5:]}"))
        await page.ask("refresh_list")
        self.found.counts["examples shown"] += "mm-verdict" in shown

    async def send(self, page: Page) -> list[Any]:
        """The inputs of Analyse: a clip that nobody sent before."""
        file = io.BytesIO()
        soundfile.write(file, self.samples * self.dice.uniform(0.3, 0.9), 16000, format="WAV")
        return [await page.upload("voice.wav", file.getvalue()), "", "sphinx", "combined", "", None]

    async def analyse(self, page: Page) -> None:
        asked = await self.send(page)
        last: dict[str, Any] = {}
        begun = time.monotonic()
        async for message in page.stand_in_line("run", *asked):
            last = message
            self.found.counts["places read"] += "before you" in str(message.get("output"))
        if not last.get("success"):
            told = str(await page.ask("problem_run"))
            self.found.counts["told to ask again" if KNOWN in told and "mm-running" not in told else "refused without a reason"] += 1
            return
        self.found.counts["analyses finished"] += 1
        self.found.seconds["analysis alone"].append(time.monotonic() - begun)
        shown = str(await page.ask("show_run"))
        await page.ask("refresh_list")
        exported = await page.ask("export_json", False)
        self.found.counts["analyses shown"] += "mm-verdict" in shown
        self.found.counts["analyses exported"] += "voice.json" in str(exported)

    async def leave(self, page: Page) -> None:
        asked = await self.send(page)
        self.found.counts["left in the middle"] += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.dice.uniform(0.3, 4.0)):
                async for _ in page.stand_in_line("run", *asked):
                    pass

    async def break_off(self, page: Page) -> None:
        async def half() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="voice.wav"\r\n\r\n' + b"RIFF" * 20_000
            raise ConnectionError("the line broke")

        self.found.counts["uploads broken off"] += 1
        with contextlib.suppress(ConnectionError, httpx.HTTPError):
            await self.client.post("/gradio_api/upload", content=half(), headers={"Content-Type": "multipart/form-data; boundary=x"})

    async def send_textgrid(self, page: Page) -> None:
        asked = await self.send(page)
        asked[-1] = await page.upload("fine.TextGrid", write_textgrid().encode())
        last: dict[str, Any] = {}
        async for message in page.stand_in_line("run", *asked):
            last = message
        self.found.counts["large TextGrids answered"] += last.get("msg") == "process_completed"


def write_textgrid() -> str:
    """2,000 words, 24,000 phones and as many syllables."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "0", "300", "<exists>", "3"]
    for name, label, count in (("words", "a", 2000), ("phones", "AH", 24_000), ("syllables", "a", 24_000)):
        lines += ['"IntervalTier"', f'"{name}"', "0", "300", str(count)]
        for i in range(count):
            lines += [f"{i * 300 / count:.6f}", f"{(i + 1) * 300 / count:.6f}", f'"{label}"']
    return "\n".join(lines)


def read_memory(process: int) -> int:
    """MB of real memory that a process has."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


async def watch_memory(process: int, seen: list[int]) -> None:
    while True:
        seen.append(read_memory(process))
        await asyncio.sleep(1)


async def run_visits(port: int, process: int, *, visitors: int, minutes: float) -> tuple[Found, list[int]]:
    found, memory = Found(), []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, limits=limits, trust_env=False) as client:
        config = (await client.get("/config")).json()
        watching = asyncio.create_task(watch_memory(process, memory))
        end = time.monotonic() + 60 * minutes
        visits = [asyncio.create_task(Visitor(number, client, config, found).visit(end)) for number in range(visitors)]
        _, left = await asyncio.wait(visits, timeout=60 * minutes + END_SECONDS)
        found.counts["still waiting at the end"] = len(left)
        for task in [*left, watching]:
            task.cancel()
        ended = await asyncio.gather(*visits, watching, return_exceptions=True)
        found.troubles += [repr(error)[:300] for error in ended if isinstance(error, Exception)]
    return found, memory


def wait_until_it_answers(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/config", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.5)
    raise SystemExit("The app did not start.")


def find_free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def print_report(found: Found, memory: list[int], left: int) -> bool:
    """The figures; whether all is as it should be."""
    for name, count in sorted(found.counts.items()):
        print(f"{name:32} {count}")
    for name, seconds in sorted(found.seconds.items()):
        print(f"{name + ', seconds':32} median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}, of {len(seconds)}")
    refused = found.counts["examples asked for"] - found.counts["examples shown"]
    lost = 2 * found.counts["analyses finished"] - found.counts["analyses shown"] - found.counts["analyses exported"]
    print(f"memory                           {memory[0]} MB at first, {max(memory)} MB at most, {memory[-1]} MB at the end")
    print(f"examples refused                 {refused}\nfinished results or exports lost {lost}\nfiles left after SIGTERM         {left}")
    for trouble, count in Counter(found.troubles).most_common(10):
        print(f"trouble, {count} times: {trouble}")
    return not (refused or lost or left or found.counts["refused without a reason"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Many visitors at once, on this machine alone.")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    visitors, minutes = min(max(options.visitors, 1), MOST_VISITORS), min(max(options.minutes, 0.1), MOST_MINUTES)
    port = find_free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        command = [sys.executable, str(ROOT / "app.py"), "--public", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "GRADIO_TEMP_DIR": folder}, stdout=said, stderr=said)
        try:
            wait_until_it_answers(port, process)
            print(
                f"{visitors} visitors for {minutes:g} minutes, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at first", flush=True
            )
            found, memory = asyncio.run(run_visits(port, process.pid, visitors=visitors, minutes=minutes))
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
        left = sum(path.is_file() for path in Path(folder).rglob("*"))
        said.seek(0)
        tracebacks = said.read().decode(errors="replace").split("Traceback (most recent call last):")[1:]
        if process.returncode != 0:
            found.troubles.append(f"the server ended with {process.returncode}")
        # Gradio writes one for an upload that breaks off
        found.troubles += ["the server wrote a traceback: " + text[-600:] for text in tracebacks if "ClientDisconnect" not in text]
    return 0 if print_report(found, memory, left) else 1


if __name__ == "__main__":
    raise SystemExit(main())
