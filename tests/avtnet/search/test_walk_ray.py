"""A search on a real Ray cluster of several nodes on this machine, which loses some of them."""

from __future__ import annotations

import pytest
from making.cheap import make_season
from making.ray_cluster import NODE, cluster_with_killer

from avtnet.search.request import LocateConfig
from avtnet.search.walk import search, walk_seasons

# Ray leaves the pipes of what it starts to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

# The first worker that opens an E03 is killed, as the system does when memory is full.
KILLER = """\
import os, signal, sys
def hear(event, arguments):
    if event == "open" and "E03.mka" in str(arguments[0]):
        try:
            os.unlink(FLAG)
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A head without cores, and a node of one core."""
    with cluster_with_killer(tmp_path, monkeypatch, KILLER) as made:
        yield made


def test_a_cluster_that_loses_a_worker_and_a_node_says_what_one_process_says(cluster, tmp_path):
    library = tmp_path / "library"
    for season in (1, 2, 3):
        make_season(library / f"Season {season}", 4, season)
    given = {"network": "never", "themes": tmp_path / "themes"}
    here = LocateConfig((str(library),), cache=tmp_path / "here", workers=0, **given)
    there = LocateConfig(
        (str(library),), cache=tmp_path / "there", engine="ray", address=cluster.address, **given
    )
    node = cluster.add_node(num_cpus=1, **NODE)
    found, seasons = [], []
    for season in walk_seasons(there):
        seasons.append(season.number)
        found += season.episodes
        if len(seasons) == 1:
            cluster.remove_node(node, allow_graceful=False)
    assert sorted(seasons) == [0, 1, 2]
    assert not (tmp_path / "killer" / "flag").exists(), "a worker was killed"
    assert sorted(found, key=lambda located: located.name) == search(here)
    assert all(len(located.timeline.segments) == 2 for located in found)
