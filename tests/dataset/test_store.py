"""A part is opened when it is exactly what its manifest says, and refused in words when it is not."""

import json
import shutil

import numpy as np
import pytest

from dataset.packing import unpack
from dataset.store import MANIFEST, open_part, stored_variants
from reader.ntu import NtuReader
from utils.errors import UserError
from utils.files import checksum
from utils.recording import Source


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_raw, generate):
    """A store with part ntu60 of 6 clips, and the folder of the raw files."""
    folder = tmp_path_factory.mktemp("store")
    generate("2002", folder / "store", write_raw(folder / "raw", 6))
    return folder


@pytest.fixture
def path(made, tmp_path):
    """A copy of that part."""
    return shutil.copytree(made / "store/ntu60", tmp_path / "ntu60")


def edit(folder, **changes):
    """Change keys of a manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def test_an_open_part_gives_what_was_read(path, made):
    part = open_part(path, "original")
    files = sorted((made / "raw").iterdir())
    assert len(part) == 6
    assert part.names.tolist() == [file.stem for file in files]
    assert part.labels.tolist() == [0, 3, 1, 4, 2, 5]  # by camera, then subject
    assert part.frames.tolist() == part.recorded_frames.tolist() == [4, 4, 5, 5, 6, 6]
    assert part.column("camera").tolist() == [1, 1, 2, 2, 3, 3]
    assert part.column("source").tolist() == [str(file) for file in files]
    assert part.stated_split("ntu-xsub") is None
    for n, file in enumerate(files):
        dense = unpack(part.coordinates, part.spans[n], int(part.frames[n]))
        (recording,) = NtuReader().read(Source(file.stem, file, 0))
        assert dense.tobytes() == np.ascontiguousarray(recording.joints).tobytes()


def test_coordinates_are_mapped_not_read(path):
    assert isinstance(open_part(path, "original").coordinates, np.memmap)


def test_each_variant_has_its_own_frames(path):
    part = open_part(path, "transformed")
    assert set(part.frames.tolist()) == {300}
    assert part.recorded_frames.tolist() == [4, 4, 5, 5, 6, 6]
    assert stored_variants(path) == ["original", "transformed"]


def test_only_real_frames_are_stored(path):
    assert len(open_part(path, "original").coordinates) < 6 * 2 * 6


def test_an_unknown_column_gets_the_known_ones(path):
    with pytest.raises(UserError, match="no column 'age'; its clips have camera, replication, setup, source, subject"):
        open_part(path, "original").column("age")


def test_a_part_that_is_not_there_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match="ntu60: not generated yet; run: python main.py -c NUMBER -gd"):
        open_part(tmp_path / "ntu60", "original")
    with pytest.raises(UserError, match="ntu60: not generated yet; run: python main.py -c 2001 -gd"):
        open_part(tmp_path / "ntu60", "original", "python main.py -c 2001 -gd")


def test_a_variant_that_is_not_there_says_what_there_is(path):
    shutil.rmtree(path / "transformed")
    with pytest.raises(UserError, match=r"transformed: not generated yet \(the part has original\); run: python main"):
        open_part(path, "transformed")


FILES = ["names.npy", "labels.npy", "frames.npy", "column_subject.npy"]
VARIANT_FILES = ["original/coordinates.npy", "original/spans.npy", "original/frames.npy"]


@pytest.mark.parametrize("name", FILES + VARIANT_FILES)
def test_one_changed_byte_is_refused(path, name):
    content = bytearray((path / name).read_bytes())
    content[-1] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(
        UserError, match=rf"{name}: not what manifest.json says \(altered or damaged\); run -gd --force"
    ):
        open_part(path, "original")


@pytest.mark.parametrize("name", FILES + VARIANT_FILES)
def test_a_truncated_file_is_refused(path, name):
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:-1])
    with pytest.raises(UserError, match=f"{name}: not what manifest.json says"):
        open_part(path, "original")


@pytest.mark.parametrize("name", FILES + VARIANT_FILES)
def test_a_missing_file_is_refused(path, name):
    (path / name).unlink()
    with pytest.raises(UserError, match=f"{name}: missing, though manifest.json lists it; run -gd --force"):
        open_part(path, "original")


@pytest.mark.parametrize("folder", [".", "original"])
@pytest.mark.parametrize("change", [{"version": 1}, {"version": None}, {"format": "other"}])
def test_another_version_or_format_is_refused(path, folder, change):
    edit(path / folder, **change)
    with pytest.raises(
        UserError, match=r"manifest.json: format \(.*\), but this Gesta reads \('gesta-.*', 2\); run -gd"
    ):
        open_part(path, "original")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}", b"7"])
def test_a_manifest_that_is_none_is_refused(path, content):
    (path / MANIFEST).write_bytes(content)
    with pytest.raises(UserError, match=r"manifest.json: not a manifest \(.*\); run -gd --force"):
        open_part(path, "original")


def test_a_variant_of_another_part_is_refused(path, tmp_path, write_raw, generate):
    generate("2001", tmp_path / "other", write_raw(tmp_path / "raw", 5))
    shutil.rmtree(path / "original")
    shutil.copytree(tmp_path / "other/ntu60/original", path / "original")
    with pytest.raises(UserError, match=r"original: made from another part than .*ntu60; run -gd --force"):
        open_part(path, "original")


def test_arrays_are_never_unpickled(path):
    np.save(path / "names.npy", np.array([{}], object), allow_pickle=True)
    files = json.loads((path / MANIFEST).read_text())["files"]
    edit(path, files=files | {"names.npy": checksum(path / "names.npy")})
    edit(path / "original", names=checksum(path / "names.npy"))
    part = open_part(path, "original")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        _ = part.names
