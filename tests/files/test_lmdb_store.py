"""LMDB folders are read and written as BasicSR does, and survive a kill."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import trees

from degflow_aug.files import lmdb_store, notice
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter, lmdb_keys, read_lmdb_header, read_lmdb_image

lmdb = pytest.importorskip("lmdb")

SHAPE = (12, 16, 3)


def _png(blue: int) -> bytes:
    return encode_image(trees.coordinates(12, 16, blue))


def _write(path: Path, keys: list[str]) -> Path:
    with LmdbWriter(path) as writer:
        for blue, key in enumerate(keys):
            writer.put(key, _png(blue), SHAPE)
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.lmdb", ["0002", "0001", "Canon/0001_s003"])
    assert (path / "meta_info.txt").read_text() == (
        "0001.png (12,16,3) 1\n0002.png (12,16,3) 1\nCanon/0001_s003.png (12,16,3) 1\n"
    )
    assert lmdb_keys(path) == ["0001", "0002", "Canon/0001_s003"]
    for blue, key in enumerate(["0002", "0001", "Canon/0001_s003"]):
        np.testing.assert_array_equal(read_lmdb_image(path / key), trees.coordinates(12, 16, blue))
        assert read_lmdb_header(path / key) == (*SHAPE[:2], 8)


def test_16_bit_values(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, SHAPE, dtype=np.uint16)
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        writer.put("1", encode_image(image), SHAPE)
    np.testing.assert_array_equal(read_lmdb_image(tmp_path / "a.lmdb" / "1"), image)
    assert read_lmdb_header(tmp_path / "a.lmdb" / "1").bits == 16


@pytest.mark.parametrize("side", [8, 100, 148, 152, 200, 400])
def test_an_orientation_behind_the_pixels_counts_however_large_the_file(tmp_path: Path, side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side + 4, 3), dtype=np.uint8)
    png, content = encode_image(image), b"eXIfII*\0" + struct.pack("<IHHHIII", 8, 1, 274, 3, 1, 6, 0)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        writer.put("1", png[:-12] + chunk + png[-12:], image.shape)
    np.testing.assert_array_equal(read_lmdb_image(tmp_path / "a.lmdb" / "1"), np.rot90(image, -1))
    assert read_lmdb_header(tmp_path / "a.lmdb" / "1") == (side + 4, side, 8)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="BasicSR does not install on Python 3.13")
def test_basicsr_reads_what_is_written_and_the_reverse(tmp_path: Path) -> None:
    from degflow_aug import compat

    compat.apply()
    data_util = pytest.importorskip("basicsr.data.data_util")
    from basicsr.utils import FileClient, imfrombytes
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    ours = [str(_write(tmp_path / name, ["0001", "0002"])) for name in ("lq.lmdb", "gt.lmdb")]
    pairs = data_util.paired_paths_from_lmdb(ours, ["lq", "gt"])
    assert [pair["gt_path"] for pair in pairs] == ["0001", "0002"]
    client = FileClient("lmdb", db_paths=ours, client_keys=["lq", "gt"])
    image = imfrombytes(client.get("0002", "gt"))[..., ::-1]
    np.testing.assert_array_equal(image, trees.coordinates(12, 16, 1))

    trees.save(tmp_path / "images" / "a_1.png", trees.coordinates(9, 7, 3))
    theirs = tmp_path / "theirs.lmdb"
    make_lmdb_from_imgs(str(tmp_path / "images"), str(theirs), ["a_1.png"], ["a_1"], map_size=1 << 20)
    assert lmdb_keys(theirs) == ["a_1"]
    np.testing.assert_array_equal(read_lmdb_image(theirs / "a_1"), trees.coordinates(9, 7, 3))


def test_what_the_list_leaves_out_or_tells_otherwise_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    path = _write(tmp_path / "a.lmdb", ["1", "2", "3", "4"])
    assert lmdb_keys(path) == ["1", "2", "3", "4"]
    assert not caplog.records
    (path / "meta_info.txt").write_text("2.png (12,16,3) 1\n3.png (16,12,3) 1\n1.png (9,9,3) 1\n")
    assert lmdb_keys(path) == ["2", "3", "1"]
    assert [record.message for record in caplog.records] == [
        f"{path}/3: 12x16 pixels (height x width) by the image, which counts here and in all such cases, and 16x12 by "
        "the list that names it",
        f"{path}: left out 1 images that meta_info.txt does not list",
    ]
    (path / "meta_info.txt").write_text("2.png (12,16,3) 1\n2.jpg\n")
    with pytest.raises(ValueError, match=r"meta_info\.txt: expected each image once, got '2\.png' and '2\.jpg'"):
        lmdb_keys(path)


def test_a_run_is_resumed(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.lmdb", ["1", "2"])
    with LmdbWriter(path) as writer:
        assert "1" in writer
        assert "3" not in writer
        writer.put("3", _png(3), SHAPE)
        assert "3" in writer
        writer.put("2", _png(9), SHAPE)
    assert lmdb_keys(path) == ["1", "2", "3"]
    assert read_lmdb_image(path / "2")[0, 0, 2] == 9


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from helpers import trees
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter
writer = LmdbWriter(sys.argv[1], batch=4)
for number in range(10):
    writer.put(f"{{number:04d}}", encode_image(trees.coordinates(12, 16, number)), (12, 16, 3))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "a.lmdb"
    script = KILLED.format(tests=str(Path(__file__).parents[1]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script, str(path)], env=environment).returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"meta_info\.txt: expected the list of keys"):
        lmdb_keys(path)
    with LmdbWriter(path) as writer:
        there = [number for number in range(10) if f"{number:04d}" in writer]
        assert there == list(range(8))
        for number in (8, 9):
            writer.put(f"{number:04d}", _png(number), SHAPE)
    assert lmdb_keys(path) == [f"{number:04d}" for number in range(10)]
    assert [read_lmdb_image(path / key)[0, 0, 2] for key in lmdb_keys(path)] == list(range(10))


def test_after_an_error_the_folder_does_not_look_finished(tmp_path: Path) -> None:
    def interrupted() -> None:
        with LmdbWriter(tmp_path / "a.lmdb") as writer:
            writer.put("1", _png(1), SHAPE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "a.lmdb" / "meta_info.txt").exists()
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        assert "1" in writer


def test_the_map_grows_with_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_store, "_FIRST_MAP_BYTES", 1 << 15)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with LmdbWriter(tmp_path / "a.lmdb", batch=3) as writer:
        for number in range(20):
            writer.put(str(number), encode_image(noise), noise.shape)
    assert len(lmdb_keys(tmp_path / "a.lmdb")) == 20
    np.testing.assert_array_equal(read_lmdb_image(tmp_path / "a.lmdb" / "19"), noise)


def test_values_that_basicsr_could_not_use_are_refused(tmp_path: Path) -> None:
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        for key in ("a.b", "a b", "Käse", "", "k" * 501):
            with pytest.raises(ValueError, match="LMDB key"):
                writer.put(key, _png(0), SHAPE)
        with pytest.raises(ValueError, match=r"a\.lmdb/1: expected PNG .*\(12, 17, 3\), got \(12, 16, 3\)"):
            writer.put("1", _png(0), (12, 17, 3))
        with pytest.raises(ValueError, match="bytes of a PNG"):
            writer.put("1", cv2.imencode(".jpg", trees.coordinates(12, 16, 0))[1].tobytes(), SHAPE)
    for name in ("folder", "file.lmdb"):
        (tmp_path / "file.lmdb").touch()
        with pytest.raises(ValueError, match=r"folder named x\.lmdb"):
            LmdbWriter(tmp_path / name)


def test_missing_folders_and_keys_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.lmdb", ["1"])
    with pytest.raises(ValueError, match=r"a\.lmdb: expected an image with key '2'"):
        read_lmdb_image(path / "2")
    with pytest.raises(ValueError, match=r"b\.lmdb/1: expected x\.lmdb/key"):
        read_lmdb_image(tmp_path / "b.lmdb" / "1")
    for folder in (tmp_path, tmp_path / "b.lmdb"):
        with pytest.raises(ValueError, match=f"{folder}: expected an LMDB folder"):
            lmdb_keys(folder)
    (path / "meta_info.txt").write_text("")
    with pytest.raises(ValueError, match=r"meta_info\.txt: expected lines"):
        lmdb_keys(path)
    (tmp_path / "c.lmdb").mkdir()
    (tmp_path / "c.lmdb" / "data.mdb").write_bytes(b"not an LMDB" * 1000)
    with pytest.raises(ValueError, match=r"c\.lmdb: expected an LMDB that can be opened"):
        read_lmdb_image(tmp_path / "c.lmdb" / "1")


def test_a_file_that_is_cut_off_is_refused_at_every_page(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.lmdb", [str(index) for index in range(40)])
    data = (path / "data.mdb").read_bytes()
    assert len(data) % 4096 == 0
    assert len(data) > 8 * 4096
    for size in range(2 * 4096, len(data), 4096):
        (path / "data.mdb").write_bytes(data[:size])
        for use in (lambda: read_lmdb_image(path / "7"), lambda: LmdbWriter(path)):
            with pytest.raises(ValueError, match=rf"a\.lmdb: expected a whole LMDB of {len(data)} bytes, got {size}"):
                use()


@pytest.mark.parametrize("key", ["../b.lmdb/1", "/tmp/b.lmdb/1", "x/../../b.lmdb/1"])
def test_keys_of_a_list_lead_into_no_other_lmdb(tmp_path: Path, key: str) -> None:
    path = _write(tmp_path / "a.lmdb", ["1"])
    _write(tmp_path / "b.lmdb", ["1"])
    (path / "meta_info.txt").write_text(f"{key}.png (24,40,3) 1\n")
    with pytest.raises(ValueError, match=r"meta_info\.txt: expected names below the folder"):
        lmdb_keys(path)


def test_a_full_disk_is_an_error_that_keeps_what_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise lmdb.DiskError("No space left on device")

    def fill() -> None:
        with LmdbWriter(tmp_path / "a.lmdb", batch=1) as writer:
            writer.put("1", _png(1), SHAPE)
            writer._environment = Refusing(writer._environment)
            writer.put("2", _png(2), SHAPE)

    class Refusing:
        def __init__(self, real: Any) -> None:
            self.begin, self.close = refuse, real.close

    with pytest.raises(OSError, match=r"a\.lmdb: expected to write .* No space left on device; free some space"):
        fill()
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        assert "1" in writer
        assert "2" not in writer


@pytest.mark.parametrize("size", [0, 4096])
def test_what_a_full_disk_left_of_a_new_folder_is_begun_anew(size: int, tmp_path: Path) -> None:
    """The library makes the file before it finds no room for its first pages."""
    folder = tmp_path / "x.lmdb"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(bytes(size))
    with LmdbWriter(folder) as writer:
        writer.put("a", _png(1), SHAPE)
    assert lmdb_keys(folder) == ["a"]


def test_a_full_disk_leaves_no_file_without_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_on_full_disk(path: str, **options: Any) -> Any:
        Path(path, "data.mdb").write_bytes(bytes(4096))
        raise lmdb.DiskError("No space left on device")

    monkeypatch.setattr(lmdb, "open", open_on_full_disk)
    with pytest.raises(OSError, match="free some space"):
        LmdbWriter(tmp_path / "x.lmdb")
    assert list((tmp_path / "x.lmdb").iterdir()) == []


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb"])
def test_a_link_in_place_of_its_files_is_refused(name: str, tmp_path: Path) -> None:
    folder, precious = tmp_path / "x.lmdb", tmp_path / "precious"
    folder.mkdir()
    precious.write_text("precious")
    (folder / name).symlink_to(precious)
    with pytest.raises(ValueError, match=f"{name}: expected a file, got a link"):
        LmdbWriter(folder)
    assert precious.read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no room")
def test_no_room_for_the_file_of_locks_is_told_before_it_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system would end the process at the first use of a page that it has no room for."""

    def refuse(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        with pytest.raises(OSError, match=r"x\.lmdb: expected room for lock\.mdb, got none; free some space"):
            LmdbWriter(tmp_path / "x.lmdb")
    LmdbWriter(tmp_path / "x.lmdb").close()
    assert (tmp_path / "x.lmdb" / "lock.mdb").stat().st_size >= 8192
