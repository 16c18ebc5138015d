"""Runs inside the Montreal Forced Aligner's own interpreter, started once by `mfa.py`: one JSON line in, one JSON line out.

Self-contained on purpose: this interpreter has kalpy and numpy, and knows nothing of `mmer`.
Arguments: acoustic model (folder or zip), dictionary.

    -> {"ready": true, "version": "3.4.3", "phones": ["AA0", ...]}            or {"error": "..."} and the end
    <- {"id": 1, "op": "missing", "words": ["he", "zorblatted"]}
    -> {"id": 1, "missing": ["zorblatted"]}
    <- {"id": 2, "op": "align", "samples": "x.raw", "words": [...], "pronunciations": {"zorblatted": "Z AO1 R"}}
    -> {"id": 2, "words": [["he", 0.29, 0.34, [["HH", 0.29, 0.3], ["IY1", 0.3, 0.34]]], ...], "likelihood": -31760.0}
       or {"id": 2, "no_path": true}, when no way of saying the words fits; or {"id": 2, "error": "..."}

The likelihood is the whole clip's total, as kalpy gives it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from typing import Any, TextIO

RATE = 16000
BEAM, RETRY_BEAM = 10, 40


def read_dictionary(path: str) -> dict[str, list[str]]:
    """Lower-case word -> the rest of its lines (probabilities and phones) as they stand."""
    entries: dict[str, list[str]] = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            word, _, rest = line.rstrip("\n").partition("\t")
            if not rest:
                word, _, rest = line.strip().partition(" ")
            if word and rest:
                entries.setdefault(word.lower(), []).append(rest)
    return entries


def unpack_model(path: str, folder: str) -> str:
    """The folder that holds the acoustic model's files; a zip is unpacked for this process alone, since several would race on one."""
    if os.path.isdir(path):
        return path
    with zipfile.ZipFile(path) as packed:
        packed.extractall(folder)
    for parent, _, files in os.walk(folder):
        if "meta.json" in files or "meta.yaml" in files or "final.mdl" in files:
            return parent
    raise FileNotFoundError(f"{os.path.basename(path)} holds no acoustic model")


def find_version() -> str | None:
    from importlib import metadata

    for name in ("montreal-forced-aligner", "Montreal_Forced_Aligner"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return None


class Models:
    """The acoustic model and the dictionary's text, loaded once."""

    def __init__(self, acoustic: str, dictionary: str, folder: str) -> None:
        from kalpy.models import AcousticModel

        self.folder = folder
        self.acoustic = AcousticModel(unpack_model(acoustic, folder))
        self.meta = self.acoustic.meta
        self.entries = read_dictionary(dictionary)

    def missing(self, words: list[str]) -> list[str]:
        return [word for word in words if word not in self.entries]

    def compile_lexicon(self, words: list[str], pronunciations: dict[str, str]) -> Any:
        """A lexicon of these words alone: milliseconds instead of seconds."""
        from kalpy.fstext.lexicon import LexiconCompiler

        meta = self.meta
        lexicon = LexiconCompiler(
            disambiguation=False,
            silence_probability=meta.get("silence_probability", 0.5),
            initial_silence_probability=meta.get("initial_silence_probability", 0.5),
            final_silence_correction=meta.get("final_silence_correction"),
            final_non_silence_correction=meta.get("final_non_silence_correction"),
            silence_phone=meta["optional_silence_phone"],
            oov_phone=meta["oov_phone"],
            position_dependent_phones=meta["dictionaries"]["position_dependent_phones"],
            phones=set(meta["phones"]),
            ignore_case=True,
        )
        handle, path = tempfile.mkstemp(suffix=".dict", dir=self.folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                for word in sorted(set(words)):
                    typed = [pronunciations[word]] if word in pronunciations else self.entries.get(word, [])
                    file.writelines(f"{word}\t{rest}\n" for rest in typed)
            lexicon.load_pronunciations(path)
        finally:
            os.unlink(path)
        lexicon.create_fsts()
        lexicon.clear()
        return lexicon

    def align(self, samples: str, words: list[str], pronunciations: dict[str, str]) -> dict[str, Any]:
        import numpy as np
        from kalpy.aligner import KalpyAligner
        from kalpy.data import Segment
        from kalpy.feat.cmvn import CmvnComputer
        from kalpy.utterance import Utterance

        wave = np.fromfile(samples, dtype="<f4")
        if not len(wave):  # kalpy aborts the process on them
            raise ValueError("The recording holds no samples")
        lexicon = self.compile_lexicon(words, pronunciations)
        segment = Segment("<memory>", 0.0, len(wave) / RATE)
        segment._wave = wave
        utterance = Utterance(segment, " ".join(words))
        utterance.generate_mfccs(self.acoustic.mfcc_computer)
        utterance.apply_cmvn(CmvnComputer().compute_cmvn_from_features([utterance.mfccs]))
        found = KalpyAligner(self.acoustic, lexicon, beam=BEAM, retry_beam=RETRY_BEAM).align_utterance(utterance)
        return {"words": [read_word(word) for word in found.word_intervals], "likelihood": read_number(found.likelihood)}


def read_word(word: Any) -> list[Any]:
    phones = [[phone.label, float(phone.begin), float(phone.end)] for phone in word.phones]
    return [word.label, float(word.begin), float(word.end), phones]


def read_number(value: Any) -> float | None:
    return None if value is None else float(value)


def last_sentence(error: Exception) -> str:
    """A message without kalpy's heading ("AlignerError:") and colours, on one line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not re.fullmatch(r"\w+:", line.strip())]
    return " ".join(lines) or type(error).__name__


def answer_request(models: Models, request: dict[str, Any]) -> dict[str, Any]:
    if request["op"] == "missing":
        return {"missing": models.missing(request["words"])}
    if request["op"] == "align":
        return models.align(request["samples"], request["words"], request.get("pronunciations", {}))
    raise ValueError(f"unknown request {request['op']!r}")


def serve(requests: Iterable[str], answers: TextIO, acoustic: str, dictionary: str) -> None:
    """Answer every line of `requests` until it ends. Whatever goes wrong with one request is its answer, and the next one is served."""

    def write(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    with tempfile.TemporaryDirectory() as folder:
        try:
            models = Models(acoustic, dictionary, folder)
        except Exception as error:  # the process boundary: the client turns it into its own error
            write({"error": last_sentence(error), "kind": type(error).__name__})
            return
        write({"ready": True, "version": find_version(), "phones": sorted(models.meta["phones"])})
        for line in requests:
            request = json.loads(line)
            try:
                answer = answer_request(models, request)
            except Exception as error:  # as above
                answer = {"error": last_sentence(error), "kind": type(error).__name__}
                if type(error).__name__ == "AlignerError":  # its message names options of a command that nobody here has typed
                    answer = {"no_path": True}
            write({"id": request["id"], **answer})


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever kalpy or Kaldi print goes to stderr, so that standard output holds answers alone
    serve(sys.stdin, answers, sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
