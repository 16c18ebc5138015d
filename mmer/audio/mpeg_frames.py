"""The frames and tags of MPEG audio (ISO 11172-3, with Xing and VBRI headers) as they stand in a file, without decoding them."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass

Buffer = mmap.mmap | bytes

BITRATES = {  # (version 1?, layer) -> kbit/s
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class Frame:
    size: int  # bytes
    kind: tuple[int, int, int]  # version, layer and rate bits: the same in all frames of a recording
    named: int | None  # frames that follow, where this one says so; 0 where it is such a frame and names no number


def read_frame(data: Buffer, at: int) -> Frame | None:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bits, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    hertz = (44100, 48000, 32000)[rate] >> (0 if is_first else 1 if version == 2 else 2)
    kbits, padding = BITRATES[is_first, layer][bits], head[2] >> 1 & 1
    if layer == 1:
        size = (12000 * kbits // hertz + padding) * 4
    else:
        size = (144000 if is_first or layer == 2 else 72000) * kbits // hertz + padding
    is_mono = head[3] >> 6 == 3
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return Frame(size, (version, layer, rate), read_count(data, at + 4 + side, at + 36))


def read_count(data: Buffer, xing: int, vbri: int) -> int | None:
    if data[xing : xing + 4] in (b"Xing", b"Info"):
        return int.from_bytes(data[xing + 8 : xing + 12], "big") if data[xing + 7] & 1 else 0
    return int.from_bytes(data[vbri + 14 : vbri + 18], "big") if data[vbri : vbri + 4] == b"VBRI" else None


def measure_tag(data: Buffer, at: int) -> int:
    """Bytes of a tag (ID3 of both versions, APE) that begins here; 0 where none does."""
    head = data[at : at + 16]
    if head[:3] == b"ID3" and len(head) >= 10:
        return 10 + sum((head[6 + i] & 127) << (21 - 7 * i) for i in range(4)) + (10 if head[5] & 16 else 0)
    if head[:3] == b"TAG":
        return 128
    return 32 + int.from_bytes(head[12:16], "little") if head[:8] == b"APETAGEX" else 0


def find_frame(data: Buffer, at: int) -> tuple[int, Frame] | None:
    """The next frame at or after `at`: away from the place where it is expected another of its kind must follow, or the file end."""
    frame = read_frame(data, at)
    if frame is not None:
        return at, frame
    for match in re.finditer(rb"\xff[\xe0-\xff]|ID3[\x02-\x04]", data[at : at + (1 << 20)]):
        place = at + match.start()
        frame = read_frame(data, place)
        follower = read_frame(data, place + frame.size) if frame else None
        if frame is not None and follower is not None and follower.kind == frame.kind:
            return place, frame
    return None
