"""Where the packets of a recording end that doesn't say how long it is: FLAC, AAC, AC-3, AMR, WavPack, FLV, MPEG, WMA and live WebM.

Nothing is decoded: packets name their sizes, or end with a checksum. A file whose last packet is not whole was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mmer.audio.mpeg_frames import Buffer, measure_tag

MAX_PACKETS = 300_000  # that are walked through
MAX_SEARCH = 1 << 20  # bytes behind a damaged packet in which the next one is looked for
MAX_BLOCKS = 1000  # of a FLAC file's header
TS_TAIL = 4000  # packets at the end of a transport stream that are looked at
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_INDEX = bytes.fromhex("90080033b1e5cf1189f400a0c90349cb")
ASF_INDICES = tuple(bytes.fromhex(name) for name in ("90080033", "d329e2d6", "f803b1fe", "d03fb73c"))  # how the four kinds of index begin
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
EBML_SEGMENT, EBML_CLUSTER = 0x18538067, 0x1F43B675
AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AMR_SIZES = (13, 14, 16, 18, 20, 21, 27, 32, 6, 7, 6, 6, 1, 1, 1, 1)  # bytes of a frame of each mode, its first byte included
AMR_WB_SIZES = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1)

Measure = Callable[[Buffer, int], int]  # bytes of the packet that begins at a place; 0 where none does


@dataclass(frozen=True)
class Extent:
    """Where a recording ends."""

    end: int  # behind its last whole packet, or the file's end where that is not known
    is_cut: bool = False  # whether the file ends within a packet
    patch: tuple[int, int, bytes] | None = None  # as Part has it, for a header that names no length where decoders need one


def find_tags(data: Buffer) -> int:
    """Where the tags begin that stand at a file's end (ID3 of version 1, APE with its footer); the file's length without any."""
    end = len(data)
    if data[end - 128 : end - 125] == b"TAG":
        end -= 128
    footer = data[max(end - 32, 0) : end]
    if footer[:8] == b"APETAGEX":
        size = int.from_bytes(footer[12:16], "little") + (32 if footer[23] & 128 else 0)  # with its header, if it has one
        end -= size if size <= end else 0
    return end


def walk_packets(data: Buffer, at: int, measure: Measure, sync: bytes) -> Extent:
    """Packets that name their sizes and begin with what the pattern `sync` matches; damaged ones are stepped over."""
    end = find_tags(data)
    for _ in range(MAX_PACKETS):
        size = measure(data, at) or measure_tag(data, at)
        if at == end:
            return Extent(len(data))
        if not size:
            if 0 < end - at < 8 and re.match(sync, data[at : at + 1]):
                return Extent(end, True)
            found = find_packet(data, at, measure, sync)
            if found is None:
                return Extent(min(at, len(data)))
            at = found
            continue
        if at + size > end:
            return Extent(len(data), True)
        at += size
    return Extent(len(data))


def find_packet(data: Buffer, at: int, measure: Measure, sync: bytes) -> int | None:
    """Where packets go on behind a damaged one: two must follow each other."""
    for match in re.finditer(sync, data[at : at + MAX_SEARCH]):
        place = at + match.start()
        size = measure(data, place)
        if size and measure(data, place + size):
            return place
    return None


def measure_adts(data: Buffer, at: int) -> int:
    head = data[at : at + 6]
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def measure_ac3(data: Buffer, at: int) -> int:
    head = data[at : at + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:  # enhanced AC-3
        return (((head[2] & 7) << 8 | head[3]) + 1) * 2 if head[5] >> 3 <= 16 else 0
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code >= 38:
        return 0
    kbits = AC3_KBITS[code >> 1]
    return (4 * kbits, 2 * (320 * kbits // 147 + (code & 1)), 6 * kbits)[rate]


def measure_amr(data: Buffer, at: int) -> int:
    head = data[at : at + 1]
    return AMR_SIZES[head[0] >> 3 & 15] if head and head[0] & 0x83 == 0 else 0


def measure_amr_wb(data: Buffer, at: int) -> int:
    head = data[at : at + 1]
    return AMR_WB_SIZES[head[0] >> 3 & 15] if head and head[0] & 0x83 == 0 else 0


def measure_wavpack(data: Buffer, at: int) -> int:
    head = data[at : at + 8]
    return int.from_bytes(head[4:], "little") + 8 if head[:4] == b"wvpk" and len(head) == 8 else 0


def measure_flv(data: Buffer, at: int) -> int:
    head = data[at : at + 4]
    return int.from_bytes(head[1:], "big") + 15 if len(head) == 4 and head[0] in (8, 9, 18) else 0


def measure_voc(data: Buffer, at: int) -> int:
    head = data[at : at + 4]
    return int.from_bytes(head[1:], "little") + 4 if len(head) == 4 and 0 < head[0] < 10 else 0


def measure_program(data: Buffer, at: int) -> int:
    """A packet of an MPEG program stream."""
    head = data[at : at + 14]
    if len(head) < 6 or head[:3] != b"\0\0\1" or head[3] < 0xB9:
        return 0
    if head[3] == 0xB9:
        return 4
    if head[3] == 0xBA:
        return 12 if head[4] >> 4 == 2 else 14 + (head[13] & 7) if len(head) == 14 else 0
    return int.from_bytes(head[4:6], "big") + 6


def find_wavpack_starts(data: Buffer) -> list[int]:
    """Where recordings begin in a WavPack file: a block of sample 0 after blocks with sound."""
    starts, at, has_sound = [0], 0, False
    for _ in range(MAX_PACKETS):
        size = measure_wavpack(data, at)
        if not size:
            tag = measure_tag(data, at)
            if not tag:
                break
            at += tag
            continue
        index, samples, flags = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (16, 20, 24))
        if has_sound and samples and index == 0 and flags & 1 << 11:
            starts.append(at)
        has_sound = has_sound or samples > 0
        at += size
    return starts


# ---- FLAC: frames end with a checksum and don't say how long they are ----


def make_table(polynomial: int, bits: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (bits - 1) else 0)
        table.append(value & (1 << bits) - 1)
    return tuple(table)


CRC8, CRC16 = make_table(0x107, 8), make_table(0x18005, 16)
FLAC_BLOCKS = (0, 192, 576, 1152, 2304, 4608, 0, 0, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)


def walk_flac(data: Buffer, at: int) -> Extent:
    """`at`: of the file's mark. The last frame reaches the total that the header names, or follows all others where it names none."""
    largest_block, largest_frame = int.from_bytes(data[at + 10 : at + 12], "big"), int.from_bytes(data[at + 15 : at + 18], "big")
    total = int.from_bytes(data[at + 21 : at + 26], "big") & (1 << 36) - 1
    sound = at + 4
    for _ in range(MAX_BLOCKS):
        if sound + 4 > len(data):
            break
        is_last = data[sound] & 128
        sound += 4 + int.from_bytes(data[sound + 1 : sound + 4], "big")
        if is_last:
            break
    last = find_last_frame(data, sound, largest_block, total)
    if last is None:  # cut off, which the total tells, or no frames at all
        return Extent(len(data))
    place, samples = last
    patch = None if total else (at + 21, 5, (data[at + 21] >> 4 << 36 | samples).to_bytes(5, "big"))  # libsndfile loses the end without
    channels, width = (data[at + 20] >> 1 & 7) + 1, ((data[at + 20] & 1) << 4 | data[at + 21] >> 4) + 1
    longest = largest_frame or largest_block * channels * (width + 1) // 8 + 64
    end = find_flac_end(data, place, longest)
    is_known = total or end == find_tags(data) or place + longest < len(data)  # else the checksum may be right by chance within a frame
    return Extent(end, patch=patch) if end is not None and is_known else Extent(len(data), not total, patch)


def find_last_frame(data: Buffer, sound: int, block: int, total: int) -> tuple[int, int] | None:
    """Where the last frame begins, and how many samples there are up to its end; None where it isn't there."""
    ends = {0}
    last = None
    kind = data[sound + 1 : sound + 2]
    if kind not in (b"\xf8", b"\xf9"):
        return None
    for match in re.finditer(b"\xff" + kind, data):
        place = match.start()
        frame = read_flac_frame(data, place, block) if place >= sound else None
        if frame is None or frame[0] not in ends:
            continue
        ends.add(frame[1])
        last = place, frame[1]
        if total and frame[1] == total:
            return last
    return None if total else last


def read_flac_frame(data: Buffer, at: int, block: int) -> tuple[int, int] | None:
    """(first, last + 1) sample of the frame that begins at a place; None where none does."""
    head = data[at : at + 16]
    if len(head) < 6 or head[3] & 1 or head[2] >> 4 == 0:
        return None
    extra = max(8 - (head[4] ^ 255).bit_length(), 1)  # bytes of the number: as in UTF-8, as many as its first byte has ones
    size = 4 + extra
    blocks, rate = head[2] >> 4, head[2] & 15
    wide = {6: 1, 7: 2}.get(blocks, 0)
    length = int.from_bytes(head[size : size + wide], "big") + 1 if wide else FLAC_BLOCKS[blocks]
    size += wide + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    check = 0
    for byte in head[:size]:
        check = CRC8[check ^ byte]
    if len(head) <= size or head[size] != check:
        return None
    number = head[4] & (127 if extra == 1 else (1 << max(7 - extra, 0)) - 1)
    for byte in head[5 : 4 + extra]:
        number = number << 6 | byte & 63
    first = number if head[1] & 1 else number * block
    return first, first + length


def find_flac_end(data: Buffer, at: int, longest: int) -> int | None:
    """The last place at which the checksum of the frame is right; None where it is nowhere."""
    end, check, before = None, 0, 0
    for place, byte in enumerate(data[at : at + longest + 1], start=at + 1):
        check = (check << 8 & 0xFFFF) ^ CRC16[check >> 8 ^ byte]
        if check == 0 and before and place - at > 8:  # zeros behind a right one leave it right
            end = place
        before = check
    return end


# ---- containers ----


def walk_tta(data: Buffer) -> Extent:
    """True Audio: a table in its header names the size of every frame."""
    rate, samples = int.from_bytes(data[10:14], "little"), int.from_bytes(data[14:18], "little")
    count = -(-samples // (256 * rate // 245)) if rate else 0
    table = data[22 : 22 + 4 * count]
    end = 26 + 4 * count + sum(int.from_bytes(table[i : i + 4], "little") for i in range(0, len(table), 4))
    return Extent(end if 26 < end <= len(data) and samples else len(data))


def walk_transport(data: Buffer, step: int) -> Extent:
    """An MPEG transport stream of packets of 188 bytes, or 192 with a time before each: whether the last packets of sound are whole."""
    skip = step - 188
    count = len(data) // step
    waiting: dict[int, int] = {}  # stream -> bytes that its last packet lacks
    for number in range(max(count - TS_TAIL, 0), count):
        packet = data[number * step + skip : number * step + skip + 188]
        if packet[0] != 0x47:
            continue
        stream, begins, control = (packet[1] & 31) << 8 | packet[2], packet[1] & 64, packet[3] >> 4 & 3
        body = packet[4 + (1 + packet[4] if control & 2 else 0) :] if control & 1 else b""
        if begins and body[:3] == b"\0\0\1" and (body[3] in (0xBD, 0xFD) or 0xC0 <= body[3] <= 0xDF):
            length = int.from_bytes(body[4:6], "big")
            waiting[stream] = length + 6 - len(body) if length else 0
        elif stream in waiting:
            waiting[stream] -= len(body)
    return Extent(len(data), len(data) % step > 0 or any(left > 0 for left in waiting.values()))


def walk_asf(data: Buffer) -> Extent:
    """Windows Media: the object of sound names its size; where that was not known, all packets are of one size."""
    begin = int.from_bytes(data[16:24], "little")
    at = data[:begin].find(ASF_PROPERTIES) if begin <= len(data) else -1
    if at < 0:
        return Extent(len(data), begin > len(data))
    is_live = data[at + 88] & 1
    packet = int.from_bytes(data[at + 92 : at + 96], "little")
    size = int.from_bytes(data[begin + 16 : begin + 24], "little")
    index = data.find(ASF_INDEX, begin)
    if size > 50 and not is_live:
        end = begin + size
        while data[end : end + 4] in ASF_INDICES and len(data) - end >= 24:
            end += max(int.from_bytes(data[end + 16 : end + 24], "little"), 24)
        return Extent(min(end, len(data)), end > len(data))
    end = index if index > 0 else len(data)
    return Extent(len(data), packet > 0 and (end - begin - 50) % packet > 12)  # a stream's mark of its end has 12 bytes


def walk_ebml(data: Buffer) -> Extent:
    """WebM and Matroska: elements with their sizes, which the outer ones of a live recording don't name."""
    at, segment_end = 0, 0
    for _ in range(MAX_PACKETS):
        if at == len(data):
            break
        name, name_bytes = read_number(data, at, keep=True)
        size, size_bytes = read_number(data, at + name_bytes)
        if not name_bytes or not size_bytes:
            return Extent(at, 0 < len(data) - at < 12 and data[at] > 0)
        at += name_bytes + size_bytes
        is_open = size == (1 << 7 * size_bytes) - 1
        if name == EBML_SEGMENT:
            segment_end = 0 if is_open else at + size
        elif is_open and name != EBML_CLUSTER:
            return Extent(len(data))
        elif not is_open:
            at += size
        if at > len(data):
            return Extent(len(data), True)
        if at == segment_end:
            return Extent(at)
    return Extent(len(data), segment_end > len(data))


def read_number(data: Buffer, at: int, *, keep: bool = False) -> tuple[int, int]:
    """(value, bytes) of a number of EBML, whose first byte says how many there are; (0, 0) where none is."""
    first = data[at : at + 1]
    if not first or not first[0]:
        return 0, 0
    count = 9 - first[0].bit_length()
    found = data[at : at + count]
    if len(found) < count:
        return 0, 0
    value = int.from_bytes(found, "big")
    return (value if keep else value & (1 << 7 * count) - 1), count
