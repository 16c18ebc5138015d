"""A file -> the recordings that stand in it one after another, and what their headers say about how much there is.

Decoders read the first recording of a file and go by its header. Two files put together, a header that was written before the length
was known, or one that names less or more than there is, would lose half of the sound without a word: so the file's extent is read here.
Ogg (RFC 3533), AU, CAF, NIST SPHERE, MP4 and MPEG audio with Xing and VBRI headers are here; RIFF in riff_chunks.py, formats of packets in
packets.py.
"""

from __future__ import annotations

import itertools
import mmap
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mmer.audio import packets
from mmer.audio.mpeg_frames import Buffer, find_frame, measure_tag, read_frame
from mmer.audio.packets import Extent, walk_packets
from mmer.audio.part import CUT_OFF, SPARE, Part, add_sentence, describe_end, name_rest, name_unread, shift_parts
from mmer.audio.riff_chunks import split_chunks

MAX_PARTS = 50  # of one file
MAX_PAGES = 300_000  # Ogg pages or MPEG frames that are walked through: two hours

OTHER_START = re.compile(rb"RIFF.{4}WAVEfmt |OggS\x00\x02\x00{8}|fLaC[\x00\x80]\x00\x00\x22\x10\x00", re.DOTALL)


def find_parts(path: Path) -> tuple[Part, ...]:
    """The recordings of a file in order, at most MAX_PARTS; the whole file as one where its format isn't known. Raises: OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        parts = list(split_file(data))
    if len(parts) <= MAX_PARTS:
        return tuple(parts)
    sentence = f"The file holds {len(parts)} recordings one after another, of which the first {MAX_PARTS} are read."
    return (*parts[: MAX_PARTS - 1], add_sentence(parts[MAX_PARTS - 1], sentence))


def split_file(data: Buffer) -> Iterator[Part]:
    """The parts of a file; behind FLAC and MPEG audio, which don't say how long they are, one of another format may begin."""
    other = OTHER_START.search(data, SPARE) if data[:4] == b"fLaC" or data[:3] == b"ID3" or read_frame(data, 0) else None
    if other is None:
        yield from split_format(data)
        return
    at = other.start()
    yield from split_format(data[:at])
    yield from shift_parts(split_format(data[at:]), at)


def split_format(data: Buffer) -> Iterator[Part]:
    start = data[:12]
    if start[:4] == b"OggS":
        yield from split_ogg(data)
    elif start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        yield from split_chunks(data)
    elif start[:4] == b".snd":
        yield read_au(data)
    elif start[4:8] == b"ftyp":
        yield from split_boxes(data)
    elif start[:4] == b"caff":
        yield from describe_extent(data, walk_caf(data))
    elif start[:4] == b"riff":
        yield from describe_extent(data, walk_w64(data))
    elif start[:8] == b"NIST_1A\n":
        yield read_nist(data)
    elif start[:5] == b"TTA1\x01":
        starts = [match.start() for match in re.finditer(rb"TTA1\x01\x00", data)]
        yield from split_at(data, starts, packets.walk_tta)
    elif start[:4] == b"wvpk":
        yield from split_at(data, packets.find_wavpack_starts(data), lambda part: walk_packets(part, 0, packets.measure_wavpack, b"w"))
    else:
        yield from split_packets(data)


def split_packets(data: Buffer) -> Iterator[Part]:
    """The parts of a format of packets, whose end is where the last whole one ends."""
    begin = measure_tag(data, 0) if data[:3] == b"ID3" else 0
    start = data[begin : begin + 400]
    known = next((row for row in PACKET_FORMATS if re.match(row[0], start, re.DOTALL)), None)
    if known is not None:
        pattern, walk = known[1:]
        starts = [0, *(match.start() for match in re.finditer(pattern, data, re.DOTALL) if match.start() > begin)] if pattern else [0]
        yield from split_at(data, starts, lambda part: walk(part, measure_tag(part, 0) if part[:3] == b"ID3" else 0))
    elif packets.measure_adts(data, begin) and packets.measure_adts(data, begin + packets.measure_adts(data, begin)):
        yield from describe_extent(data, walk_packets(data, begin, packets.measure_adts, rb"\xff"))
    elif data[:3] == b"ID3" or read_frame(data, 0):
        yield from split_mpeg(data)
    else:
        yield Part(0, len(data))


def walk_amr(data: Buffer, at: int) -> Extent:
    is_wide = data[at : at + 9] == b"#!AMR-WB\n"
    extent = walk_packets(data, at + (9 if is_wide else 6), packets.measure_amr_wb if is_wide else packets.measure_amr, rb"(?!)")
    return extent if extent.is_cut else Extent(len(data))  # its frames have no mark to tell what is none


Walk = Callable[[Buffer, int], Extent]
PACKET_FORMATS: tuple[tuple[bytes, bytes, Walk], ...] = (  # how a file begins, what begins another recording within it, its extent
    (rb"fLaC", rb"fLaC[\x00\x80]\x00\x00\x22", packets.walk_flac),
    (rb"#!AMR", rb"#!AMR(?:-WB)?\n", walk_amr),
    (rb"\x1aE\xdf\xa3", rb"\x1aE\xdf\xa3(?=.{1,60}(?:webm|matroska))", lambda data, at: packets.walk_ebml(data)),
    (re.escape(packets.ASF_HEADER), re.escape(packets.ASF_HEADER), lambda data, at: packets.walk_asf(data)),
    (rb"FLV\x01", rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09", lambda data, at: walk_packets(data, 13, packets.measure_flv, rb"[\x08\x09]")),
    (rb"Creative Voice File\x1a", b"", lambda data, at: walk_packets(data, 26, packets.measure_voc, rb"(?!)")),
    (rb"\x0b\x77", b"", lambda data, at: walk_packets(data, at, packets.measure_ac3, rb"\x0b")),
    (rb"\x00\x00\x01\xba", b"", lambda data, at: walk_packets(data, 0, packets.measure_program, rb"\x00\x00\x01")),
    (rb"G.{187}G.{187}G", b"", lambda data, at: packets.walk_transport(data, 188)),
    (rb".{4}G.{191}G", b"", lambda data, at: packets.walk_transport(data, 192)),
)
KNOWN_START = re.compile(
    rb"RIFF|RF64|OggS|fLaC|wvpk|FORM|\.snd|caff|ID3[\x02-\x04]|#!AMR|\x1aE\xdf\xa3|TTA1|.{4}ftyp|\x30\x26\xb2\x75\x8e\x66", re.DOTALL
)


def split_at(data: Buffer, starts: list[int], walk: Callable[[Buffer], Extent]) -> Iterator[Part]:
    """A part from each of `starts` on, with what `walk` says of its end."""
    for begin, end in zip(starts, [*starts[1:], len(data)]):
        piece = data[begin:end] if len(starts) > 1 else data
        yield from shift_parts(describe_extent(piece, walk(piece)), begin)


def describe_extent(data: Buffer, extent: Extent) -> Iterator[Part]:
    """One recording up to where it ends; behind that another may begin, or what is no sound."""
    sentences = (CUT_OFF.format(what="its last packet is complete"),) if extent.is_cut else ()
    end = extent.end
    while (size := measure_tag(data, end)) and end + size <= len(data):
        end += size
    rest = len(data) - end
    if rest <= SPARE:
        yield Part(0, len(data), patch=extent.patch, sentences=sentences)
    elif KNOWN_START.match(data[end : end + 12]):
        yield Part(0, end, patch=extent.patch, sentences=sentences)
        yield from shift_parts(split_file(data[end:]), end)
    else:
        yield Part(0, end, patch=extent.patch, sentences=(*sentences, name_rest(rest)))


# ---- Ogg: pages of logical streams; a stream that begins after another's data is chained to it ----

SOUND_HEADS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


def split_ogg(data: Buffer) -> Iterator[Part]:
    at, link, sounds = 0, 0, 0
    end = 0  # of the last page
    has_data, has_ended, is_cut = False, False, False
    for _ in range(MAX_PAGES):
        if data[at : at + 4] != b"OggS" or at + 27 > len(data):
            at = data.find(b"OggS", at)  # damaged, or something else between two recordings
            if at < 0:
                break
            continue
        count = data[at + 26]
        body = at + 27 + count
        length = sum(data[at + 27 : body])
        begins = bool(data[at + 5] & 2)
        if begins and has_data:
            yield describe_link(link, at, sounds, is_cut=False)
            link, sounds, has_data, has_ended = at, 0, False, False
        sounds += begins and any(data[body : body + len(head)] == head for head in SOUND_HEADS)
        has_data, has_ended = has_data or not begins, bool(data[at + 5] & 4)
        is_cut = body + length > len(data)
        at = end = body + length
    last = describe_link(link, len(data), sounds, is_cut=is_cut or not has_ended)
    yield add_sentence(last, name_rest(len(data) - end)) if end and len(data) - end > SPARE else last


def describe_link(start: int, end: int, sounds: int, *, is_cut: bool) -> Part:
    sentences = []
    if sounds > 1:
        sentences.append(f"The file holds {sounds} sound tracks; the first is read and the others are not.")
    if is_cut:
        sentences.append(CUT_OFF.format(what="the recording's own mark of its end"))
    return Part(start, end, sentences=tuple(sentences))


# ---- formats whose header names a size ----


def read_au(data: Buffer) -> Part:
    at, size = (int.from_bytes(data[i : i + 4], "big") for i in (4, 8))
    rest = len(data) - at
    if size == 0xFFFFFFFF or size == 0 or rest <= 0:
        return Part(0, len(data))
    sentences = (name_unread(size, rest - size),) if rest - size > SPARE else ()
    return Part(0, len(data), min(rest / size, 1.0), sentences=sentences)


def walk_w64(data: Buffer) -> Extent:
    """Sony Wave64: its header names the file's size."""
    written = int.from_bytes(data[16:24], "little")
    return Extent(written if 24 < written <= len(data) else len(data), len(data) < written < 1 << 62)


def walk_caf(data: Buffer) -> Extent:
    """Apple's Core Audio Format: chunks with names of small letters."""
    at = 8
    while at + 12 <= len(data) and re.fullmatch(rb"(?!caff)[a-z0-9 ]{4}", data[at : at + 4]):
        size = int.from_bytes(data[at + 4 : at + 12], "big", signed=True)
        if size < 0:  # written before the length was known: to the file's end
            return Extent(len(data))
        at += 12 + size
    return Extent(min(at, len(data)), at > len(data))


def read_nist(data: Buffer) -> Part:
    """NIST SPHERE: a header in text that names samples."""
    facts = dict(re.findall(rb"(sample_count|sample_n_bytes|channel_count|sample_coding) -\w+ (\S+)", data[:1024]))
    counts = [facts.get(key, b"") for key in (b"sample_count", b"sample_n_bytes", b"channel_count")]
    if not all(re.fullmatch(rb"\d{1,9}", count) for count in counts) or facts.get(b"sample_coding", b"pcm") not in (
        b"pcm",
        b"ulaw",
        b"alaw",
    ):
        return Part(0, len(data))
    return describe_end(data, 1024 + int(counts[0]) * int(counts[1]) * int(counts[2]))


# ---- MP4: boxes ----


def split_boxes(data: Buffer) -> Iterator[Part]:
    """A second "ftyp" box at the top level begins another film or recording."""
    at, starts = 0, [0]
    while at + 8 <= len(data) and re.fullmatch(rb"[A-Za-z0-9 \xa9-]{4}", data[at + 4 : at + 8]):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if data[at + 4 : at + 8] == b"ftyp" and at:
            starts.append(at)
        if size < 8:  # 0: to the file's end
            at = len(data)
            break
        at += size
    yield from (Part(a, b) for a, b in itertools.pairwise(starts))
    yield from shift_parts(describe_extent(data[starts[-1] :], Extent(min(at, len(data)) - starts[-1], at > len(data))), starts[-1])


# ---- MPEG audio ----


def split_mpeg(data: Buffer) -> Iterator[Part]:
    """A tag, or a frame that says how many follow, begins another recording once frames of the one before have been seen."""
    at, start, frames, named, is_cut = 0, 0, 0, 0, False
    for _ in range(MAX_PAGES):
        tag = measure_tag(data, at)
        frame = None if tag else find_frame(data, at)
        if frame is not None:
            at, found = frame
        if frames and (data[at : at + 3] == b"ID3" or (frame is not None and found.named is not None)):
            yield Part(start, at, count_share(frames, named))
            start, frames, named = at, 0, 0
        if tag:
            at += tag
        elif frame is None:
            break
        else:
            named = found.named or named
            is_cut = at + found.size > len(data) and not named
            frames += found.named is None and at + found.size <= len(data)
            at += found.size
    if frames or not start:
        unread = len(data) - at if frames else 0
        is_cut = is_cut or (0 < unread < 4 and data[at] == 0xFF and not named)
        sentences = [CUT_OFF.format(what="its last frame is complete")] * is_cut + [name_rest(unread)] * (unread > SPARE)
        yield Part(start, len(data), count_share(frames, named), sentences=tuple(sentences))


def count_share(frames: int, named: int) -> float | None:
    return min(frames / named, 1.0) if named else None
