"""UTD-MHAD's MATLAB files: what is read, and what is refused in which words."""

from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from reader.files import NO_ACTION
from reader.utd import UtdReader
from utils.errors import UserError
from utils.recording import ReadError, Source

READER = UtdReader()
NAME = "a27_s3_t2_skeleton"
JOINTS = np.random.default_rng(0).normal(size=(20, 3, 5))


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{NAME}.mat"


def read(path):
    """Return the one recording of a file."""
    (recording,) = READER.read(Source(path.stem, path, 0))
    return recording


# --- what is read


def test_the_real_data_set_is_read_whole(shared):
    scan = READER.scan([shared / "data/utd-mhad"], "utd")
    clips = [clip for source in scan.sources for clip in READER.read(source)]
    assert scan.skipped == {}
    for source, clip in list(zip(scan.sources, clips))[::40]:
        assert np.array_equal(clip.joints[0].transpose(1, 2, 0), loadmat(source.path)["d_skel"])
    assert len(clips) == 861
    assert Counter(clip.columns["subject"] % 2 for clip in clips) == {1: 431, 0: 430}
    assert sorted({clip.label for clip in clips}) == list(range(27))
    assert {(clip.joints.dtype.name, clip.joints.shape[0], *clip.joints.shape[2:]) for clip in clips} == {
        ("float64", 1, 20, 3)
    }
    assert (min(clip.num_frames for clip in clips), max(clip.num_frames for clip in clips)) == (41, 125)
    up = np.concatenate([clip.joints[0].mean(axis=0)[None] for clip in clips])[..., 1]
    head, centre, spine, hips = up.T[:4]
    assert (head > centre).all()  # the order of the joints, as it is said to be
    assert (centre > spine).all()
    assert (spine > hips).all()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_clip_says_who_and_what(path, compressed):
    savemat(path, {"d_skel": JOINTS, "other": "text"}, do_compression=compressed)
    clip = read(path)
    assert (clip.name, clip.label, clip.num_frames) == (NAME, 26, 5)
    assert clip.columns == {"subject": 3, "replication": 2, "action": 27, "source": str(path)}
    assert np.array_equal(clip.joints, JOINTS.transpose(2, 0, 1)[None])
    assert clip.joints.dtype == np.float64


def test_one_frame_which_matlab_stores_without_its_last_axis_is_a_clip(path):
    savemat(path, {"d_skel": JOINTS[..., 0]})
    assert np.array_equal(read(path).joints, JOINTS[None, None, ..., 0])


# --- what is listed


def test_folders_and_what_is_left_out(tmp_path):
    for name in (f"{NAME}.mat", "a28_s1_t1_skeleton.mat", "a01_s1_t1_skeleton.mat", "a1_s1_t1_inertial.mat"):
        (tmp_path / name).touch()
    scan = READER.scan([tmp_path], "utd")
    assert [source.name for source in scan.sources] == [NAME]
    assert scan.skipped == {
        "not named aA_sS_tT_skeleton.mat": ["a01_s1_t1_skeleton.mat", "a1_s1_t1_inertial.mat"],
        NO_ACTION: ["a28_s1_t1_skeleton.mat"],
    }
    (tmp_path / f"{NAME}.mat").unlink()
    with pytest.raises(UserError, match=r"no clips of part utd \(.*\); give the folder of aA_sS_tT_skeleton.mat"):
        READER.scan([tmp_path], "utd")


# --- what is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"skel": JOINTS},
            "no variable 'd_skel' .there are: skel.; unpack the file again from UTD-MHAD's Skeleton.zip",
        ),
        ({"d_skel": JOINTS[:17]}, r"'d_skel' is \(17, 3, 5\), but a skeleton is \(20, 3, frames\); unpack"),
        ({"d_skel": JOINTS[..., :0]}, r"'d_skel' is \(20, 3, 0\), but"),
        ({"d_skel": JOINTS[..., None]}, r"'d_skel' is \(20, 3, 5, 1\), but"),
        ({"d_skel": "text"}, "cannot be read as 'd_skel': not an array of real numbers; unpack"),
        ({"d_skel": {"a": 1}}, "cannot be read as 'd_skel': not an array of real numbers; unpack"),
        ({"d_skel": JOINTS * 1j}, "cannot be read as 'd_skel': not an array of real numbers; unpack"),
        (
            {"d_skel": np.where(abs(JOINTS - JOINTS[3, 1, 2]) == 0, np.nan, JOINTS)},
            "frame 2, joint 3: coordinates are not finite",
        ),
        ({"d_skel": JOINTS * 1e39}, "frame 0, joint 0: coordinates are not finite"),
        ({"d_skel": JOINTS * 0}, "all coordinates are 0, so there is nothing to learn from"),
    ],
)
def test_what_is_no_clip_is_refused_with_file_and_reason(path, content, message):
    savemat(path, content)
    with pytest.raises(ReadError, match=message) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"text" * 100, b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_what_is_no_matlab_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ReadError, match="cannot be read as 'd_skel': no MATLAB v5 file; unpack the file again"):
        read(path)


def test_a_file_that_is_gone_or_is_no_clip_is_refused(tmp_path, path):
    with pytest.raises(ReadError, match=r"cannot be read \(No such file or directory\)"):
        read(path)
    with pytest.raises(ReadError, match="not named aA_sS_tT_skeleton.mat"):
        read(tmp_path / "x.mat")
