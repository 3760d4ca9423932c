"""Files are written whole or not at all, and found under names of their own."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.errors import ClippingError
from clipping.files import atomic_path, find_media, write_text


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond a limit: the kernel stops the write (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


class TestAtomicPath:
    """The target changes when everything went well, and only then."""

    def test_the_file_appears_with_its_folders(self, tmp_path: Path) -> None:
        target = tmp_path / "a" / "b" / "out.npz"
        with atomic_path(target) as temporary:
            assert temporary.parent == target.parent
            assert temporary.suffix == ".npz"
            temporary.write_bytes(b"new")
            assert not target.exists()
        assert target.read_bytes() == b"new"
        assert os.listdir(target.parent) == ["out.npz"]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_the_old_file_survives_an_error(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        target = tmp_path / "out.txt"
        target.write_text("old")

        def write() -> None:
            with atomic_path(target) as temporary:
                temporary.write_text("half")
                raise error

        with pytest.raises(error):
            write()
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == ["out.txt"]

    def test_the_old_file_survives_ctrl_c(self, tmp_path: Path) -> None:
        (tmp_path / "out.txt").write_text("old")
        code = (
            "import time; from pathlib import Path; from clipping.files import atomic_path\n"
            "with atomic_path(Path('out.txt')) as temporary:\n"
            "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
        )
        words = [sys.executable, "-c", code]
        with subprocess.Popen(
            words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
        assert process.returncode != 0
        assert (tmp_path / "out.txt").read_text() == "old"
        assert os.listdir(tmp_path) == ["out.txt"]

    def test_a_full_disk_is_one_line_and_the_old_file_stays(self, tmp_path: Path) -> None:
        target = tmp_path / "out.txt"
        target.write_text("old")
        with full_disk(1000), pytest.raises(ClippingError, match=r"out\.txt: cannot be written: "):
            write_text(target, "x" * 5000)
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == ["out.txt"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    def test_the_systems_words_reach_the_user(self, tmp_path: Path, number: int) -> None:
        def write() -> None:
            with atomic_path(tmp_path / "out.txt"):
                raise OSError(number, os.strerror(number))

        with pytest.raises(ClippingError, match=os.strerror(number)) as caught:
            write()
        assert isinstance(caught.value.__cause__, OSError)
        assert os.listdir(tmp_path) == []

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        touch(tmp_path, "file")
        with pytest.raises(ClippingError, match=r"out\.txt: cannot be written: "):
            write_text(tmp_path / "file" / "out.txt", "")

    def test_a_folder_in_the_place_of_the_target(self, tmp_path: Path) -> None:
        (tmp_path / "out.txt").mkdir()
        with pytest.raises(ClippingError, match=r"out\.txt: cannot be written: "):
            write_text(tmp_path / "out.txt", "")
        assert os.listdir(tmp_path) == ["out.txt"]

    def test_permissions_follow_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            write_text(tmp_path / "out.txt", "")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o640

    def test_a_name_as_long_as_a_name_can_be(self, tmp_path: Path) -> None:
        target = tmp_path / ("n" * 251 + ".txt")
        write_text(target, "x")
        assert target.read_text() == "x"

    @given(text=st.text(st.characters(codec="utf-8")))
    def test_text_is_kept_as_it_is(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "kept.txt"
        write_text(path, text)
        assert path.read_bytes() == text.encode()


class TestFindMedia:
    """Files and folders become named media."""

    def test_a_folder_is_searched_in_depth_and_in_order(self, tmp_path: Path) -> None:
        touch(tmp_path, "S2/01.mkv", "S1/02.MP4", "S1/01.mkv", "S1/notes.txt", "S1/01.srt")
        assert find_media([tmp_path]) == {
            "S1/01": tmp_path / "S1/01.mkv",
            "S1/02": tmp_path / "S1/02.MP4",
            "S2/01": tmp_path / "S2/01.mkv",
        }
        assert list(find_media([tmp_path])) == ["S1/01", "S1/02", "S2/01"]

    def test_hidden_files_and_folders_are_left_out(self, tmp_path: Path) -> None:
        touch(tmp_path, ".tmp-x.mkv", ".cache/01.mkv", "01.mkv")
        assert list(find_media([tmp_path])) == ["01"]

    def test_a_folder_below_a_hidden_one_may_be_named(self, tmp_path: Path) -> None:
        touch(tmp_path, ".store/01.mkv")
        assert list(find_media([tmp_path / ".store"])) == ["01"]

    def test_a_folder_named_like_a_file_is_no_file(self, tmp_path: Path) -> None:
        touch(tmp_path, "folder.mkv/01.mkv")
        assert list(find_media([tmp_path])) == ["folder.mkv/01"]

    def test_suffixes_stay_where_two_files_would_share_a_name(self, tmp_path: Path) -> None:
        touch(tmp_path, "01.mkv", "01.mp4", "02.mkv")
        assert list(find_media([tmp_path])) == ["01.mkv", "01.mp4", "02"]

    def test_a_file_may_have_any_suffix(self, tmp_path: Path) -> None:
        touch(tmp_path, "episode.bin", "no suffix")
        names = find_media([tmp_path / "episode.bin", tmp_path / "no suffix"])
        assert list(names) == ["episode", "no suffix"]

    def test_the_same_file_twice_is_one(self, tmp_path: Path) -> None:
        touch(tmp_path, "01.mkv")
        assert list(find_media([tmp_path / "01.mkv", tmp_path / "01.mkv"])) == ["01"]
        (tmp_path / "x").mkdir()
        assert list(find_media([tmp_path / "x/../01.mkv", tmp_path / "01.mkv", tmp_path])) == ["01"]

    def test_two_files_of_one_name_are_refused(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/01.mkv", "b/01.mkv")
        with pytest.raises(ClippingError, match="same name; give the folder above both"):
            find_media([tmp_path / "a" / "01.mkv", tmp_path / "b" / "01.mkv"])

    def test_what_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ClippingError, match="gone: there is no such file or folder"):
            find_media([tmp_path / "gone"])
