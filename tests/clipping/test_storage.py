"""Media and features in storage elsewhere: fsspec's memory, and a web server with ranges."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest
from making.media import make_media

from clipping import frames_at, probe, storage
from clipping.errors import ClippingError, StorageError
from clipping.files import atomic_path, find_media
from clipping.identity import identify
from clipping.storage import as_written, fetched, local, url_of
from preprocess import FeatureSettings, PreprocessConfig, load, preprocess
from preprocess.batch.command import carry_out, plan

TINY = {"duration": 3, "size": (160, 90), "rate": 4, "gop": 4}
FAST = FeatureSettings(window=2.0, text_engine="none")


@pytest.fixture
def memory():
    """An empty store at memory://."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


class Served(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whole or by ranges; some requests fail."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
            return
        path = Path(self.translate_path(self.path))
        span = self.headers.get("Range")
        if span is None or not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        first, _, last = span.removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last or size), size - 1)
        with open(path, "rb") as stream:
            stream.seek(begin)
            data = stream.read(end + 1 - begin)
        self.server.sent += len(data)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{end}/{size}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        """Quiet."""


@pytest.fixture
def web(tmp_path) -> Iterator[http.server.ThreadingHTTPServer]:
    """A web server on loopback over tmp_path/web."""
    (tmp_path / "web").mkdir()
    handler = partial(Served, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked, server.failures, server.sent = [], 0, 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def made_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


class TestNames:
    def test_a_path_carries_a_url_and_gives_it_back(self):
        for url in ("s3://bucket/S1/01 夏.mkv", "https://host:80/a.mkv?x=1", "memory://x"):
            assert url_of(Path(url)) == url
            assert url_of(url) == url
        assert as_written(Path("s3://b/k")) == "s3://b/k"
        assert url_of("C:/Videos/01.mkv") is None
        assert url_of("Videos/s3:/01.mkv") is None
        assert url_of("no: such thing.mkv") is None

    def test_a_file_url_is_a_path_of_this_machine(self, tmp_path):
        assert url_of(f"file://{tmp_path}") is None
        assert local(f"file://{tmp_path}/x") == tmp_path / "x"
        assert local("a/b") == Path("a/b")

    def test_what_lies_in_a_folder_called_like_a_protocol_stays_on_this_machine(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        make_media(tmp_path / "01.mkv", **TINY)
        os.makedirs("http:/127.0.0.1")
        os.rename("01.mkv", "http:/127.0.0.1/01.mkv")
        assert find_media(["."]) == {"http:/127.0.0.1/01": Path("http:/127.0.0.1/01.mkv")}
        assert probe(Path("http:/127.0.0.1/01.mkv")).video is not None

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("nonsense://x/y", "nonsense"),
            ("zip://a.mkv::memory://x.zip", "chained"),
            ("memory://nowhere", "no such file or folder"),
        ],
    )
    def test_a_url_that_leads_nowhere_is_an_error(self, url, message, memory):
        with pytest.raises(ClippingError, match=message):
            find_media([url])


class TestMemory:
    def test_files_folders_and_patterns_are_found(self, memory):
        for name in ("S1/01.mkv", "S1/02.mp4", "S1/cover.jpg", "S2/01.mkv", ".trash/03.mkv"):
            memory.pipe_file(f"/season/{name}", b"x")
        assert list(find_media(["memory://season"])) == ["S1/01", "S1/02", "S2/01"]
        assert list(find_media(["memory://season/S*/*.mkv"])) == ["S1/01", "S2/01"]
        assert list(find_media(["memory://season/S1/cover.jpg"])) == ["cover"]
        memory.pipe_file("/season/S3/page.html", b"x")
        assert find_media(["memory://season/S3"]) == {}
        memory.pipe_file("/season/S2/02.mkv", b"xxx")
        config = PreprocessConfig(("memory://season/S?/*",), Path("memory://out"), workers=0)
        assert [task.name for task in plan(config)[0]] == ["S2/02", "S1/01", "S1/02", "S2/01"]
        memory.rm_file("/season/S2/02.mkv")
        twice = find_media(["memory://season/S1", "memory://season/S1/01.mkv"])
        assert twice == {
            "01": Path("memory://season/S1/01.mkv"),
            "02": Path("memory://season/S1/02.mp4"),
        }

    def test_features_from_and_into_storage_are_those_of_local_files(self, memory, tmp_path):
        for name in ("01.mkv", "02.mp4"):
            path = make_media(tmp_path / name, **TINY)
            memory.put_file(str(path), f"/season/{name}")
            assert identify(Path(f"memory://season/{name}")).fingerprint == (
                identify(path).fingerprint
            )
        config = PreprocessConfig(
            ("memory://season",), Path("memory://features"), features=FAST, workers=0
        )
        outcomes = preprocess(config)
        assert [outcome.status for outcome in outcomes] == ["made"] * 4
        assert outcomes[0].output.startswith("memory://features/0")
        assert not [name for name in memory.find("/") if ".tmp-" in name]
        assert [outcome.status for outcome in preprocess(config)] == ["up to date"] * 4

        here = tmp_path / "here"
        preprocess(PreprocessConfig((str(tmp_path),), here, features=FAST, workers=0))
        for name in made_in(here):
            with fetched(Path(f"memory://features/{name}")) as copy:
                one, other = load(copy), load(here / name)
            assert (one.frames == other.frames).all()
            assert (one.mfcc == other.mfcc).all()
            assert one.source.fingerprint == other.source.fingerprint

    def test_what_is_written_appears_whole_or_not_at_all(self, memory):
        def fail():
            with atomic_path(Path("memory://out/a.txt")) as here:
                here.write_text("half")
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert memory.find("/") == []
        with atomic_path(Path("memory://out/a.txt")) as here:
            here.write_text("whole")
            assert memory.find("/") == []
        assert memory.find("/") == ["/out/a.txt"]


class TestWeb:
    def test_a_film_is_read_by_ranges_and_not_as_a_whole(self, web, tmp_path, monkeypatch):
        monkeypatch.setattr(storage, "BLOCK_BYTES", 1 << 16)
        path = make_media(tmp_path / "web" / "long.mkv", duration=30, bit_rate=3_000_000)
        size = path.stat().st_size
        assert size > 30 * storage.BLOCK_BYTES, "or this proves nothing"
        url = Path(f"{web.url}/long.mkv")
        info = probe(url)
        assert info.duration == probe(path).duration
        [there] = frames_at(url, [info.duration - 1])
        [here] = frames_at(path, [info.duration - 1])
        assert (there.rgb() == here.rgb()).all()
        assert web.sent < size / 2
        assert all(span for name, span in web.asked if name == "/long.mkv")

    def test_processes_read_over_the_web_what_they_read_here(self, web, tmp_path):
        make_media(tmp_path / "web" / "01.mkv", **TINY)
        (tmp_path / "web" / "page.mkv").write_text("<html>")
        config = PreprocessConfig((f"{web.url}/",), tmp_path / "web out", features=FAST, workers=1)
        outcomes = preprocess(config)
        assert sorted((o.name, o.status) for o in outcomes) == [
            ("01", "made"),
            ("01", "made"),
            ("page", "failed"),
            ("page", "failed"),
        ]
        assert load(tmp_path / "web out" / "01_end.safetensors").source.file == f"{web.url}/01.mkv"

    def test_a_server_that_fails_for_a_while_is_asked_again(self, web, tmp_path):
        make_media(tmp_path / "web" / "01.mkv", **TINY)
        config = PreprocessConfig(
            (f"{web.url}/01.mkv",), tmp_path / "out", features=FAST, workers=0
        )
        tasks, _ = plan(config)
        web.failures = 1
        outcomes = list(carry_out(config, tasks))
        assert [outcome.status for outcome in outcomes] == ["made", "made"]
        assert any("503" in reason for outcome in outcomes for reason in outcome.attempts)
        web.failures = 10**6
        with pytest.raises(StorageError, match="cannot be read now"):
            identify(Path(f"{web.url}/01.mkv"))

    def test_a_server_cannot_be_written_to(self, web, tmp_path):
        config = PreprocessConfig((str(tmp_path),), Path(f"{web.url}/out"), features=FAST)
        make_media(tmp_path / "01.mkv", **TINY)
        with pytest.raises(ClippingError, match="cannot be written"):
            preprocess(config)
