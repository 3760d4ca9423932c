"""Settings: defaults < YAML < command line, with types, and words that help."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping import config
from clipping.commands import dispatch
from clipping.errors import ClippingError, ConfigError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Optim:
    """Settings of an optimizer."""

    lr: float = 1e-3
    """step size"""
    betas: tuple[float, float] = (0.9, 0.999)
    """decay of the two averages"""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"lr is above 0, got {self.lr}")


@dataclass(frozen=True)
class Settings:
    """Train a thing."""

    files: tuple[str, ...] = field(default=(), metadata={"help": "what to read"})
    epochs: int = 10
    """passes over the data"""
    use_amp: bool = False
    """half precision"""
    verbose: bool = True
    """say more"""
    output: Path | None = None
    """where to write"""
    name: str = "run"
    """of the run"""
    optim: Optim = Optim()


def parse(*words: str) -> Settings:
    return config.parse(Settings, words, prog="prog", positional="files")


class TestParse:
    """From a command line."""

    def test_nothing_gives_the_defaults(self) -> None:
        assert parse() == Settings()

    def test_words_and_options(self) -> None:
        got = parse("a.mkv", "--epochs", "3", "--optim.lr", "3e-4", "-o", "out", "b.mkv")
        wanted = Settings(("a.mkv", "b.mkv"), epochs=3, output=Path("out"), optim=Optim(lr=3e-4))
        assert got == wanted
        assert isinstance(got.optim, Optim)
        assert isinstance(got.files, tuple)

    @pytest.mark.parametrize(
        ("words", "use_amp", "verbose"),
        [
            (["--use_amp"], True, True),
            (["--use-amp"], True, True),
            (["--use-amp", "true"], True, True),
            (["--use-amp=false"], False, True),
            (["--no-use-amp", "--no-verbose"], False, False),
            (["--no_verbose", "--use_amp"], True, False),
            (["--verbose", "false"], False, False),
        ],
    )
    def test_flags(self, words: list[str], use_amp: bool, verbose: bool) -> None:
        got = parse(*words)
        assert (got.use_amp, got.verbose) == (use_amp, verbose)

    def test_a_flag_takes_no_file_with_it(self) -> None:
        got = parse("--use-amp", "a.mkv")
        assert got.use_amp
        assert got.files == ("a.mkv",)

    @pytest.mark.parametrize("word", ["--name=a-b", "--name=no-use-amp", "--name=--use-amp"])
    def test_values_keep_their_dashes(self, word: str) -> None:
        assert parse(word).name == word.removeprefix("--name=")

    def test_yaml_beats_defaults_and_the_command_line_beats_yaml(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("epochs: 20\nname: yaml\noptim:\n  lr: 3e-4\n")
        got = parse("--config", str(path), "--epochs", "30")
        assert got.epochs == 30
        assert got.name == "yaml"
        assert got.optim == Optim(lr=3e-4)
        assert not got.use_amp

    def test_yaml_takes_names_as_help_shows_them(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("use-amp: true\nname: a-b\n")
        got = parse("--config", str(path))
        assert got.use_amp
        assert got.name == "a-b"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--epoch", "3"], "did you mean --epochs?"),
            (["--optim.lrr", "1"], "did you mean --optim.lr?"),
            (["--use-ampp"], "did you mean --use-amp?"),
            (["--use_ampp"], "did you mean --use-amp?"),
            (["--use-amp=perhaps"], "--use-amp: Expected true or false, got 'perhaps'"),
            (["--epochs", "many"], "epochs"),
            (["--epochs", "1.5"], "epochs"),
            (["--optim.lr", "-1"], "lr is above 0, got -1"),
            (["--config", "/no/such.yaml"], "/no/such.yaml"),
        ],
    )
    def test_wrong_usage_is_2_and_says_what_would_be_right(
        self, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            parse(*words)
        assert caught.value.code == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert "prog: error:" in printed
        assert "Traceback" not in printed

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"epochs: [1\n", "not YAML: while parsing a flow sequence in it, line 1"),
            (b"\xff\xfe\x00", "not YAML, which is UTF-8 text"),
            (b"# epochs: 3\n", "holds no settings"),
            (b"- epochs\n", "holds no settings"),
        ],
    )
    def test_a_file_without_settings_is_named(
        self, tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "wrong.yaml"
        path.write_bytes(content)
        with pytest.raises(SystemExit, match="2"):
            parse("--config", str(path))
        assert f"{path}: {message}" in capsys.readouterr().err

    def test_help_is_the_docstrings(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            parse("--help")
        assert caught.value.code == 0
        printed = capsys.readouterr().out
        for words in ("Train a thing.", "what to read", "passes over the data", "step size"):
            assert words in printed

    def test_options_are_shown_with_hyphens_only(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="0"):
            parse("--help")
        printed = capsys.readouterr().out
        shown = set(re.findall(r"--[\w.-]+", printed))
        assert {"--use-amp", "--no-use-amp", "--epochs", "--optim.lr", "--print-config"} <= shown
        assert not any("_" in option for option in shown)

    def test_all_settings_are_printed_as_yaml(self, capsys: pytest.CaptureFixture[str]) -> None:
        for words in (["--print-config"], ["--print_config"]):
            with pytest.raises(SystemExit, match="0"):
                parse("--epochs", "3", *words)
            assert yaml.safe_load(capsys.readouterr().out)["epochs"] == 3
        with pytest.raises(SystemExit, match="2"):
            parse("--epochs", "many", "--print-config")

    def test_it_needs_no_package_but_for_files(self) -> None:
        code = (
            "import sys\n"
            "from clipping.config import parse\n"
            "from avtnet.search.request import LocateConfig\n"
            "parse(LocateConfig, ['a.mkv', '--rescan'], prog='x', positional='inputs')\n"
            "ours = {'__main__', 'avtnet', 'clipping', 'ensemble', 'preprocess'}\n"
            "known = sys.stdlib_module_names | ours\n"
            "names = {name.partition('.')[0] for name in sys.modules}\n"
            "print(sorted(n for n in names if n not in known and 'editable' not in n))\n"
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=ROOT
        )
        assert done.stdout.strip() == "[]", done.stderr


class TestLoad:
    """From a YAML file."""

    def write(self, folder: Path, text: str) -> Path:
        path = folder / "settings.yaml"
        path.write_text(text)
        return path

    def test_only_what_differs(self, tmp_path: Path) -> None:
        got = config.load(Settings, self.write(tmp_path, "optim: {lr: 0.5}\n"))
        assert got == Settings(optim=Optim(lr=0.5))

    def test_overrides_beat_it(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "epochs: 5\n")
        assert config.load(Settings, path, ["--epochs", "7", "--use-amp"]) == Settings(
            epochs=7, use_amp=True
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("epocs: 5\n", "did you mean epochs?"),
            ("optim: {lt: 5}\n", "did you mean optim.lr?"),
            ("epochs: many\n", "epochs"),
            ("optim: {lr: 0}\n", "lr is above 0"),
            ("epochs: [\n", "settings.yaml"),
            ("- a\n- b\n", "settings.yaml"),
            ("use-amp: true\nuse_amp: false\n", "use_amp is there twice"),
        ],
    )
    def test_a_wrong_file_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            config.load(Settings, self.write(tmp_path, text))
        assert message in str(caught.value)
        assert "settings.yaml" in str(caught.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"gone\.yaml"):
            config.load(Settings, tmp_path / "gone.yaml")


finite = st.floats(min_value=1e-9, max_value=1e9)
text = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
any_settings = st.builds(
    Settings,
    files=st.lists(text, max_size=3).map(tuple),
    epochs=st.integers(-(10**9), 10**9),
    use_amp=st.booleans(),
    verbose=st.booleans(),
    output=st.none() | st.just(Path("a b/ü.csv")),
    name=text,
    optim=st.builds(Optim, lr=finite, betas=st.tuples(finite, finite)),
)


class TestDump:
    """A config that is stored with weights can be read again."""

    @settings(max_examples=40, deadline=None)
    @given(any_settings)
    def test_dump_and_restore(self, value: Settings) -> None:
        plain = config.dump(value)
        assert config.restore(Settings, plain) == value
        assert config.restore(Settings, yaml.safe_load(yaml.safe_dump(plain))) == value

    def test_it_is_plain(self) -> None:
        plain = config.dump(Settings(("a",), output=Path("x"), optim=Optim(betas=(0.5, 0.6))))
        assert plain["files"] == ["a"]
        assert plain["output"] == "x"
        assert plain["optim"] == {"lr": 1e-3, "betas": [0.5, 0.6]}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"epocs": 1}, "did you mean epochs?"),
            ({"epochs": "many"}, "epochs"),
            ({"optim": {"lr": math.nan}}, "lr is above 0"),
            ({"optim": 3}, "must be a mapping"),
        ],
    )
    def test_restore_checks(self, change: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            config.restore(Settings, config.dump(Settings()) | change)
        assert message in str(caught.value)


class TestRun:
    """Exit codes."""

    def test_codes(self, capsys: pytest.CaptureFixture[str]) -> None:
        def fail() -> None:
            raise ClippingError("a.mkv: is no video")

        def interrupt() -> None:
            raise KeyboardInterrupt

        assert config.run(lambda: None, "prog") == 0
        assert config.run(lambda: 1, "prog") == 1
        assert config.run(fail, "prog") == 1
        assert capsys.readouterr().err == "prog: a.mkv: is no video\n"
        assert config.run(interrupt, "prog") == 130
        assert "interrupted" in capsys.readouterr().err

    def test_ctrl_c_while_a_command_is_imported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "slow_to_import.py").write_text("raise KeyboardInterrupt\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert dispatch("prog", {"air": {"fly": ("slow_to_import", "fly away")}}, ["fly"]) == 130
        assert capsys.readouterr().err == "prog: interrupted\n"

    def test_a_bug_keeps_its_traceback(self) -> None:
        with pytest.raises(ZeroDivisionError):
            config.run(lambda: 1 // 0, "prog")


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().epochs = 3  # type: ignore[misc]
