"""Size and starting costs of an installation: ``python benchmarks/install.py [ENVIRONMENT …]``.

Without an environment, a new one is made as the README's first command makes it. Printed, as tables
for docs/install.md: megabytes of site-packages by distribution; CPU seconds (user + system, median
of five) of starting commands, and how many times ``python -c pass`` that is; with ``--season
FOLDER`` the memory of ``avtnet locate FOLDER --network never``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STARTS = (
    ("-c", "pass"),
    ("-c", "import avtnet"),
    ("-c", "import clipping"),
    ("-m", "avtnet", "--help"),
    ("-m", "avtnet", "locate", "--help"),
    ("-m", "clipping", "cut", "--help"),
    ("-m", "preprocess", "--help"),
)
ROUNDS = 5
# Run by the environment's own interpreter: the blocks on disk of each distribution's files.
SIZES = """
import json, os
from importlib import metadata
sizes = {}
for found in metadata.distributions():
    paths = {os.path.realpath(found.locate_file(path)) for path in found.files or ()}
    blocks = sum(os.stat(path).st_blocks for path in paths if os.path.isfile(path))
    sizes[found.metadata["Name"]] = blocks * 512 / 2**20
print(json.dumps(sizes))
"""


def make_environment(folder: Path) -> Path:
    """Make an environment as the README's first command does; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", ROOT], check=True)
    return python


def site_packages(python: Path) -> float:
    """Return the MB (2^20 bytes on disk) of an environment's site-packages, pip's own included."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    folder = subprocess.check_output([python, "-c", code], text=True, cwd="/").strip()
    files = [path.lstat() for path in Path(folder).rglob("*")]
    return sum(each.st_blocks for each in files) * 512 / 2**20


def sizes(python: Path) -> dict[str, float]:
    """Return the MB of each distribution in an environment, the largest first."""
    found = json.loads(subprocess.check_output([python, "-c", SIZES], text=True, cwd="/"))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def cpu_seconds(command: list[str]) -> float:
    """Return the user and system seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, cwd="/", **quiet)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def starts(python: Path) -> dict[str, float]:
    """Return the median CPU seconds of each of STARTS, after one run that fills the file cache."""
    found = {}
    for words in STARTS:
        command = [str(python), *words]
        cpu_seconds(command)
        seconds = statistics.median(cpu_seconds(command) for _ in range(ROUNDS))
        found["python " + " ".join(words)] = seconds
    return found


def season(python: Path, folder: Path) -> tuple[float, float]:
    """Return the MB (2^20 bytes) of the largest process, and the CPU seconds, of locating."""
    code = (
        "import json, resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))\n"
    )
    with tempfile.TemporaryDirectory() as empty:
        words = ["--network", "never", "--cache", f"{empty}/cache", "--themes", f"{empty}/themes"]
        command = [python, "-m", "avtnet", "locate", folder.resolve(), *words]
        told = subprocess.check_output([sys.executable, "-c", code, *map(str, command)], cwd=empty)
    most, cpu = json.loads(told)
    return most, cpu


def tell(python: Path, media: Path | None, least: float) -> None:
    """Print the tables of an environment."""
    print(f"site-packages: {site_packages(python):.0f} MB\n")
    print("| distribution | MB |\n|---|---|")
    for name, size in sizes(python).items():
        if size >= least:
            print(f"| {name} | {size:.1f} |")
    print("\n| command | CPU s | times `python -c pass` |\n|---|---|---|")
    found = starts(python)
    base = next(iter(found.values()))
    for name, seconds in found.items():
        print(f"| `{name}` | {seconds:.3f} | {seconds / base:.1f} |")
    if media is not None:
        most, cpu = season(python, media)
        print(f"\n`avtnet locate {media.name} --network never`: {most:.0f} MB, {cpu:.1f} CPU s")


def main() -> None:
    """Measure the environments that are named, or one that is made for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("environment", type=Path, nargs="*", help="folders of environments")
    parser.add_argument("--season", type=Path, help="a folder of episodes to locate")
    parser.add_argument("--least", type=float, default=1.0, help="MB of a row (default: 1)")
    arguments = parser.parse_args()
    for folder in arguments.environment:
        print(f"## {folder.name}\n")
        tell((folder / "bin" / "python").absolute(), arguments.season, arguments.least)
        print()
    if not arguments.environment:
        with tempfile.TemporaryDirectory() as made:
            tell(make_environment(Path(made, "plain")), arguments.season, arguments.least)


if __name__ == "__main__":
    main()
