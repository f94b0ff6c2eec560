"""Files that lack pixels are refused, although nothing is cut off where decoders would mind."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from degflow_aug.files.image_decoder import decode_image, open_header
from degflow_aug.files.plain_image import stored_parts

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png_of_rows(rows: bytes, depth: int, colour: int, interlaced: bool = False, more: bytes = b"") -> bytes:
    """A PNG of 23x40 pixels by its header, with ``more`` chunks before them."""
    head = struct.pack(">IIBBBBB", 40, 23, depth, colour, 0, 0, interlaced)
    if colour == 3 and not more:
        more = _chunk(b"PLTE", bytes(768))
    pixels = _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + pixels + _chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("depth", "colour"), [(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (2, 3), (8, 3), (8, 4), (8, 6)]
)
@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_png_with_too_few_rows_is_refused(
    depth: int, colour: int, interlaced: bool, value: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its data ends where a row does, so that decoders find nothing cut off."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    widths = [len(range(x, 40, by)) for y, x, down, by in steps for _ in range(y, 23, down)]
    rows = [b"\0" + bytes([value]) * -(-width * bits // 8) for width in (widths if interlaced else [40] * 23)]
    for kept in (rows[:-1], rows[: len(rows) // 2]):
        with pytest.raises(ValueError, match="a: expected a whole image"):
            decode_image(_png_of_rows(b"".join(kept), depth, colour, interlaced), "a")
    assert capfd.readouterr().err == ""
    with contextlib.suppress(ValueError) if colour > 3 else contextlib.nullcontext():
        image = decode_image(_png_of_rows(b"".join(rows), depth, colour, interlaced), "a")
        assert image.shape == (23, 40, 3)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_value_of_a_gray_png_has_its_bits(depth: int) -> None:
    row = (b"\0" + bytes([0b01010101 if depth < 4 else 0x11] * (5 * depth))) * 23
    for value in range(min(1 << depth, 18)):
        data = _png_of_rows(row, depth, 0, more=_chunk(b"tRNS", struct.pack(">H", value)))
        for read in (lambda data: open_header(io.BytesIO(data), "a"), lambda data: decode_image(data, "a")):
            there = {1: (0, 1), 2: (1,), 4: (1,), 8: (17,)}[depth]
            with (
                pytest.raises(ValueError, match="a: expected an opaque") if value in there else contextlib.nullcontext()
            ):
                read(data)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_pixels_are_of_colours_that_the_palette_has(depth: int) -> None:
    rows = (b"\0" + bytes([(1 << depth) - 1] * (5 * depth))) * 23
    for count in (1 << depth, (1 << depth) - 1):
        png = _png_of_rows(rows, depth, 3, more=_chunk(b"PLTE", bytes(3 * count)))
        refused = pytest.raises(ValueError, match="colours of its palette")
        with contextlib.nullcontext() if count == 1 << depth else refused:
            assert decode_image(png, "a").max() == 0
    stream = io.BytesIO()
    palette = Image.fromarray(RGB).quantize(20)
    palette.save(stream, "BMP")
    bmp = stream.getvalue()
    np.testing.assert_array_equal(decode_image(bmp, "a"), np.asarray(palette.convert("RGB")))
    with pytest.raises(ValueError, match="a: expected pixels of 9 colours of its palette"):
        decode_image(bmp[:46] + struct.pack("<I", 9) + bmp[50:], "a")


def _rle_bmp(runs: bytes, depth: int = 8) -> bytes:
    """A gray BMP (3, 4) of compressed rows."""
    palette = b"".join(bytes([level, level, level, 0]) for level in range(1 << depth))
    start = 54 + len(palette)
    head = struct.pack(
        "<IHHIIiiHHIIiiII", start + len(runs), 0, 0, start, 40, 4, 3, 1, depth, 1 if depth == 8 else 2, *[0] * 5
    )
    return b"BM" + head + palette + runs


RUN, ROW, END, DELTA = bytes([4, 9]), b"\0\0", b"\0\1", b"\0\2"


@pytest.mark.parametrize(("runs", "depth", "rows"), [
    (3 * (RUN + ROW) + END, 8, [9, 9, 9, 9]),
    (2 * (RUN + ROW) + RUN + END, 8, [9, 9, 9, 9]),
    (3 * (b"\0\3\1\2\3\0" + b"\1\7" + ROW) + END, 8, [1, 2, 3, 7]),
    (3 * (b"\0\4\x12\x34" + ROW) + END, 4, [1, 2, 3, 4]),
    (3 * (b"\2\x99" + ROW) + END, 8, None),
    (3 * (b"\2\x99" + ROW) + END, 4, None),
    (3 * (b"\0\3\1\2\3\0" + ROW) + END, 8, None),
    (RUN + ROW + DELTA + b"\0\1" + RUN + END, 8, None),
    (RUN + ROW + ROW + RUN + END, 8, None),
    (RUN + ROW + RUN + END, 8, None),
], ids=[
    "whole", "without the last end", "one by one", "of 4 bits", "short", "short of 4 bits", "short one by one",
    "skipped", "empty row", "fewer rows",
])  # fmt: skip
def test_a_compressed_bmp_has_all_its_pixels(runs: bytes, depth: int, rows: list[int] | None) -> None:
    data = _rle_bmp(runs, depth)
    if rows is not None:
        assert decode_image(data, "a")[..., 0].tolist() == 3 * [rows]
        return
    with pytest.raises(ValueError, match="a: expected a whole image, got"):
        decode_image(data, "a")


def test_a_tiff_palette_of_8_bits_is_refused() -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB[..., 0]).convert("P").save(stream, "TIFF")
    data = stream.getvalue()
    assert decode_image(data, "a").max() == RGB[..., 0].max()
    start = data.index(struct.pack("<3H", 0, 256, 512))
    small = data[:start] + struct.pack("<768H", *[*range(256)] * 3) + data[start + 1536 :]
    with pytest.raises(ValueError, match="a: expected a palette of 16-bit values"):
        open_header(io.BytesIO(small), "a")
    unknown = data.replace(struct.pack("<HHI", 320, 3, 768), struct.pack("<HHI", 320, 7, 768))
    with pytest.raises(ValueError, match="a: expected a whole image"):
        open_header(io.BytesIO(unknown), "a")


def _in_parts(order: str, big: bool, tiled: bool, change: Callable[[list[int], list[int]], None]) -> bytes:
    """A gray TIFF in strips of 8 rows or tiles of 16, whose (places, sizes) are changed."""
    height, width = RGB[..., 0].shape
    sides = (16, 16) if tiled else (8, width)
    padded = np.pad(RGB[..., 0], ((0, -height % sides[0]), (0, -width % sides[1])))
    corners = [(y, x) for y in range(0, height, sides[0]) for x in range(0, width, sides[1])]
    parts = [padded[y : y + sides[0], x : x + sides[1]].tobytes() for y, x in corners]
    places, sizes = [16 + sum(map(len, parts[:index])) for index in range(len(parts))], [*map(len, parts)]
    change(places, sizes)
    values = {256: [width], 257: [height], 258: [8], 259: [1], 262: [1], 277: [1]}
    values |= (
        {322: [sides[1]], 323: [sides[0]], 324: places, 325: sizes} if tiled else {273: places, 278: [8], 279: sizes}
    )
    word, kind, pixels = ("Q", 16, b"".join(parts)) if big else ("I", 4, b"".join(parts))
    behind, entries, room = b"", b"", struct.calcsize(word)
    head = 16 + len(pixels)
    start = head + (8 if big else 2) + len(values) * (4 + 2 * room) + room
    for tag, numbers in sorted(values.items()):
        content = struct.pack(f"{order}{len(numbers)}{word}", *numbers)
        if len(numbers) > 1:
            content, behind = struct.pack(order + word, start + len(behind)), behind + content
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(numbers)) + content.ljust(room, b"\0")
    magic = struct.pack(order + ("2sHHHQ" if big else "2sHI"), *((b"II", 43, 8, 0, head) if big else (b"II", 42, head)))
    magic = magic.replace(b"II", b"II" if order == "<" else b"MM").ljust(16, b"\0")
    return magic + pixels + struct.pack(order + ("Q" if big else "H"), len(values)) + entries + bytes(room) + behind


PARTS: dict[str, Callable[[list[int], list[int]], None]] = {
    "fewer": lambda places, sizes: (places.pop(), sizes.pop()),
    "fewer sizes": lambda places, sizes: sizes.pop(),
    "no place": lambda places, sizes: places.__setitem__(1, 0),
    "no bytes": lambda places, sizes: sizes.__setitem__(1, 0),
    "fewer bytes": lambda places, sizes: sizes.__setitem__(-1, sizes[-1] - 1),
    "behind the end": lambda places, sizes: places.__setitem__(-1, 9999),
}  # fmt: skip


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_a_tiff_has_all_its_strips_and_tiles(order: str, big: bool, tiled: bool) -> None:
    whole = _in_parts(order, big, tiled, lambda places, sizes: None)
    np.testing.assert_array_equal(decode_image(whole, "a")[..., 0], RGB[..., 0])
    for change in PARTS.values():
        with pytest.raises(ValueError, match="a: expected a whole image, got a TIFF without some of its strips"):
            open_header(io.BytesIO(_in_parts(order, big, tiled, change)), "a")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_strips_are_all_there(compression: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "TIFF", compression=compression, tiffinfo={278: 8})
    whole = stream.getvalue()
    np.testing.assert_array_equal(decode_image(whole, "a"), RGB)
    sizes = [size for _, size in stored_parts(Image.open(stream))]
    code = "<3H" if struct.pack("<3H", *sizes) in whole else "<3I"
    listed = struct.pack(code, *sizes)
    fewer = whole.replace(struct.pack("<HHI", 273, 4, 3), struct.pack("<HHI", 273, 4, 2))
    for damaged in (fewer, *(whole.replace(listed, struct.pack(code, *sizes[:2], end)) for end in (0, sizes[2] // 2))):
        assert damaged != whole
        with pytest.raises(ValueError, match="a: expected a whole image"):
            decode_image(damaged, "a")


MINDED = """
import io, sys
from PIL import Image
from degflow_aug.files.image_decoder import decode_image
data, exif = {}, Image.Exif()
exif[271] = "somebody who makes cameras"
for kind in ("TIFF", "JPEG", "PNG", "WEBP"):
    stream = io.BytesIO()
    Image.effect_noise((40, 24), 50).convert("RGB").save(stream, kind, exif=exif)
    data = stream.getvalue()
    start = int.from_bytes(data[4:8], "little") if kind == "TIFF" else max(data.find(b"II*"), data.find(b"MM"))
    for place in range(start, min(start + 150, len(data))):
        try:
            decode_image(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :], "a")
        except ValueError:
            pass
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [(24, 40), (24, 40, 3)])
def test_what_opencv_minds_does_not_reach_stderr(shape: tuple[int, ...], capfd: pytest.CaptureFixture[str]) -> None:
    data = cv2.imencode(".tif", np.ones(shape, np.uint16))[1].tobytes()
    start = int.from_bytes(data[4:8], "little")
    for place in range(start, start + 150):
        with contextlib.suppress(ValueError):
            decode_image(data[:place] + bytes([data[place] ^ 32]) + data[place + 1 :], "a")
    assert capfd.readouterr().err == ""


def test_what_pillow_minds_does_not_reach_stderr() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "always", "-c", MINDED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
