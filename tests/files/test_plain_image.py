"""What is no plain image is refused by its header, before anything is made of it."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import trees
from PIL import Image, PngImagePlugin, TiffImagePlugin, features

from degflow_aug.data.hr_crop_dataset import HRCrops
from degflow_aug.files import notice
from degflow_aug.files.image_decoder import decode_image, open_header
from degflow_aug.files.image_file import image_size, read_header, read_image
from degflow_aug.files.image_tree import find_images

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
DEEP = np.random.default_rng(0).integers(0, 65536, (24, 40, 3), dtype=np.uint16)
_PLACE = 0x5EED1234


def tiff(tags: dict[int, tuple[int, Any]] | None = None, behind: tuple[int, int] | None = None) -> bytes:
    """A TIFF with further tags, (type, value) by number, and the head of another image (height, width) behind it."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in {**(tags or {}), **({330: (4, _PLACE)} if behind else {})}.items():
        info.tagtype[tag], info[tag] = kind, value
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "TIFF", tiffinfo=info)
    data = stream.getvalue()
    if behind is None:
        return data
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, side) for tag, side in ((256, behind[1]), (257, behind[0])))
    return (
        data.replace(struct.pack("<I", _PLACE), struct.pack("<I", len(data)))
        + struct.pack("<H", 2)
        + entries
        + bytes(4)
    )


def stored_tiff(pixels: np.ndarray, extra: tuple[int, ...]) -> bytes:
    """An uncompressed TIFF of (H, W, channels), the last of which are of these kinds of extra samples."""
    height, width, channels = pixels.shape
    colours = channels - len(extra)
    bits, kinds = (struct.pack(f"<{len(x)}H", *x) for x in ([8 * pixels.itemsize] * channels, extra))
    place, inline = 8 + 2 + 12 * 10 + 4, int.from_bytes(bits, "little") if len(bits) <= 4 else 0
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, inline or place), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1 + (colours == 3)), (273, 4, 1, place + 32), (277, 3, 1, channels), (278, 4, 1, height)]
    tags += [(279, 4, 1, pixels.nbytes), (338, 3, len(extra), int.from_bytes(kinds, "little"))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + bits
    return head.ljust(place + 32, b"\0") + pixels.tobytes()


def _saved(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


def _signed(data: bytes) -> bytes:
    """The same TIFF with values called signed."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info.tagtype[339], info[339] = 3, 2
    return _saved(Image.open(io.BytesIO(data)), "TIFF", tiffinfo=info)


GRAY = RGB[..., 0]
HALF = np.dstack([RGB, GRAY])
REFUSED = {
    "dng": (tiff({50706: (1, b"\1\4\0\0")}), "camera raw"),
    "thumbnail": (tiff({254: (4, 1)}), "camera raw"),
    "mosaic behind": (tiff(behind=(96, 128)), "camera raw"),
    "cmyk.jpg": (_saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "got CMYK"),
    "cmyk.tif": (_saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), "got CMYK"),
    "lab.tif": (_saved(Image.fromarray(RGB).convert("LAB"), "TIFF"), "got LAB"),
    "float.tif": (_saved(GRAY.astype(np.float32), "TIFF"), "got F"),
    "integers.tif": (_saved(GRAY.astype(np.int32), "TIFF"), "got I"),
    "signed.tif": (_signed(_saved(GRAY, "TIFF")), "unsigned values"),
    "deep inverted.tif": (_saved(DEEP[..., 0], "TIFF", tiffinfo={262: 0}), "16-bit image that is upright"),
    "deep turned.tif": (_saved(DEEP[..., 0], "TIFF", tiffinfo={274: 6}), "16-bit image that is upright"),
    "half.png": (_saved(HALF, "PNG"), "opaque"),
    "half.webp": (_saved(HALF, "WEBP", lossless=True), "opaque"),
    "half gray.png": (_saved(np.dstack([GRAY, GRAY]), "PNG"), "opaque"),
    "palette.png": (_saved(Image.fromarray(RGB).quantize(32), "PNG", transparency=3), "opaque"),
    "deep half.png": (cv2.imencode(".png", np.dstack([DEEP, DEEP[..., 0]]))[1].tobytes(), "opaque"),
    "pages.tif": (_saved(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)]), "several frames"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_headers_refuse_what_is_refused_when_it_is_read(name: str) -> None:
    data, reason = REFUSED[name]
    for read in (lambda: open_header(io.BytesIO(data), name), lambda: decode_image(data, name)):
        with pytest.raises(ValueError, match=f"{name}: expected .*{reason}"):
            read()


@pytest.mark.parametrize("name", ["cmyk.jpg", "signed.tif", "half.png"])
def test_a_training_set_refuses_it_before_it_is_drawn(tmp_path: Path, name: str) -> None:
    trees.save(tmp_path / "a.png", RGB)
    (tmp_path / name).write_bytes(REFUSED[name][0])
    with pytest.raises(ValueError, match=name):
        HRCrops(find_images(tmp_path), crop_size=8)


@pytest.mark.parametrize("data", [
    tiff(behind=(12, 20)), tiff({254: (4, 0)}), tiff({305: (2, "a program")}),
    _saved(np.dstack([RGB, np.full_like(GRAY, 255)]), "PNG"), _saved(np.dstack([RGB, np.full_like(GRAY, 255)]), "TIFF"),
], ids=["pyramid", "full image", "software", "opaque", "opaque tiff"])  # fmt: skip
def test_plain_images_are_read(data: bytes) -> None:
    assert open_header(io.BytesIO(data), "a") == (24, 40, 8)
    np.testing.assert_array_equal(decode_image(data, "a"), RGB)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("orientation", [0, 9, 65535, (6, 6)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientations_that_there_are_not_turn_nothing(tmp_path: Path, kind: str, orientation: Any) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    (tmp_path / "a").write_bytes(_saved(RGB, kind, exif=exif))
    size = image_size(tmp_path / "a")
    assert size == read_image(tmp_path / "a").shape[:2]
    # Pillow takes the first of several values.
    assert size == (24, 40) or not isinstance(orientation, int)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
TURNED = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 274, 3, 1, 6, 0)
LATE_XMP = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + XMP
XMP_OF_PNG = PngImagePlugin.PngInfo()
XMP_OF_PNG.add_itxt("XML:com.adobe.xmp", XMP.decode())
LATE = {
    "exif": b"eXIf" + TURNED,
    "text": b"tEXtRaw profile type exif\0\nexif\n32\n" + (b"Exif\0\0" + TURNED).hex().encode(),
    "packed": b"zTXtRaw profile type exif\0\0" + zlib.compress(b"\nexif\n32\n" + (b"Exif\0\0" + TURNED).hex().encode()),
}


def _behind_pixels(png: bytes, content: bytes) -> bytes:
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return png[:-12] + chunk + png[-12:]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_tags_beside_an_orientation_keep_size_and_pixels_alike(kind: str) -> None:
    exif = Image.Exif()
    exif[271], exif[274] = "somebody", 6
    data = _saved(RGB, kind, exif=exif)
    order = ">" if b"MM\0*" in data else "<"
    start = data.index(struct.pack(order + "HH", 271, 2))
    for tag, type_ in [(256, 2), (282, 2), (513, 2), *((271, type_) for type_ in range(14))]:
        damaged = data[:start] + struct.pack(order + "HH", tag, type_) + data[start + 4 :]
        if kind == "PNG":
            place = damaged.index(b"eXIf")
            end = place + 4 + int.from_bytes(damaged[place - 4 : place], "big")
            damaged = damaged[:end] + struct.pack(">I", zlib.crc32(damaged[place:end])) + damaged[end + 4 :]
        assert open_header(io.BytesIO(damaged), "a")[:2] == decode_image(damaged, "a").shape[:2]


@pytest.mark.parametrize(("kind", "options"), [
    ("JPEG", {"xmp": XMP}), ("TIFF", {"tiffinfo": {700: XMP}}), ("WEBP", {"xmp": XMP, "lossless": True}),
    ("PNG", {"pnginfo": XMP_OF_PNG}), *([("AVIF", {"xmp": XMP})] if features.check("avif") else []),
])  # fmt: skip
def test_an_orientation_in_xmp_turns_nothing_as_in_basicsr(kind: str, options: dict[str, Any]) -> None:
    plain, told = _saved(RGB, kind, lossless=kind == "WEBP"), _saved(RGB, kind, **options)
    assert b"tiff:Orientation" in told
    assert open_header(io.BytesIO(told), "a") == (24, 40, 8)
    np.testing.assert_array_equal(decode_image(told, "a"), decode_image(plain, "a"))
    if kind == "PNG":
        np.testing.assert_array_equal(decode_image(_behind_pixels(plain, LATE_XMP), "a"), RGB)
    if kind != "AVIF":
        read = cv2.imdecode(np.frombuffer(told, np.uint8), cv2.IMREAD_COLOR)
        assert read.shape == RGB.shape


@pytest.mark.parametrize("kind", LATE)
def test_an_orientation_behind_the_pixels_of_a_png_counts(kind: str) -> None:
    data = _behind_pixels(_saved(RGB, "PNG"), LATE[kind])
    assert open_header(io.BytesIO(data), "a") == (40, 24, 8)
    np.testing.assert_array_equal(decode_image(data, "a"), np.rot90(RGB, -1))
    for read in (lambda data: open_header(io.BytesIO(data), "a"), lambda data: decode_image(data, "a")):
        with pytest.raises(ValueError, match="16-bit image that is upright"):
            read(_behind_pixels(cv2.imencode(".png", DEEP)[1].tobytes(), LATE[kind]))


def test_pixels_that_look_like_an_orientation_turn_nothing() -> None:
    data = _behind_pixels(_saved(RGB, "PNG"), b"none" + LATE["exif"])
    assert open_header(io.BytesIO(data), "a") == (24, 40, 8)
    np.testing.assert_array_equal(decode_image(data, "a"), RGB)


@pytest.mark.parametrize(("colours", "extra"), [
    (RGB, (0,)), (RGB, (0, 0)), (RGB, (2, 0)), (DEEP, (0,)),
    pytest.param(GRAY, (0,), marks=pytest.mark.skipif(
        (b"II", 1, (1,), 1, (8, 8), (0,)) not in TiffImagePlugin.OPEN_INFO, reason="this Pillow refuses it"
    )),
])  # fmt: skip
def test_channels_beside_colour_are_left_out_with_a_word(
    colours: np.ndarray, extra: tuple[int, ...], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    opaque = np.full_like(GRAY, 255)
    data = stored_tiff(np.dstack([colours, *(opaque if kind else GRAY // 2 for kind in extra)]), extra)
    for name in ("a", "b"):
        assert open_header(io.BytesIO(data), name) == (24, 40, 8 * colours.itemsize)
        image = decode_image(data, name)
    np.testing.assert_array_equal(image, colours if colours.ndim == 3 else np.dstack([GRAY] * 3))
    assert caplog.messages == ["a: left out channels beside colour and alpha, as in all such TIFF files"]


@pytest.mark.parametrize(("count", "sides", "reason"), [
    (1, (96, 128), "camera raw"), (2, (96, 128), "camera raw"), (1, (12, 20), ""), (2, (12, 20), ""),
    (1, (), "damaged tags"),
])  # fmt: skip
def test_a_bigtiff_may_have_smaller_images_behind(count: int, sides: tuple[int, ...], reason: str) -> None:
    stream = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info.tagtype[330], info[330] = 16, (_PLACE,) * count
    Image.fromarray(RGB).save(stream, "TIFF", tiffinfo=info, big_tiff=True)
    data = stream.getvalue()
    place = struct.pack("<Q", len(data) if sides else 2**64 - 1)
    # Of the type IFD8, which Pillow does not know.
    data = data.replace(struct.pack("<HH", 330, 16), struct.pack("<HH", 330, 18)).replace(
        struct.pack("<Q", _PLACE), place
    )
    behind = b"".join(struct.pack("<HHQQ", tag, 4, 1, side) for tag, side in zip((257, 256), sides, strict=False))
    data += struct.pack("<Q", len(sides)) + behind + bytes(8)
    if reason:
        with pytest.raises(ValueError, match=f"a: expected .*{reason}"):
            open_header(io.BytesIO(data), "a")
    else:
        assert open_header(io.BytesIO(data), "a") == (24, 40, 8)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, _socket, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("x.png"))
    for read in (read_image, read_header, find_images):
        with pytest.raises(ValueError, match=r"x\.png: expected .*got a pipe, socket or device"):
            read(Path("x.png"))
    trees.save(tmp_path / "a.png", RGB)
    with pytest.raises(ValueError, match=r"x\.png: expected .*got a pipe, socket or device"):
        HRCrops(find_images(tmp_path), crop_size=8)
