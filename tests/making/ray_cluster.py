"""A Ray cluster on this machine whose workers may be killed in the middle of a task."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = {"object_store_memory": 80 << 20}


@contextmanager
def cluster_with_killer(tmp_path, monkeypatch, killer):
    """Yield a head without cores, and a node of one core.

    Args:
        killer: code that every worker runs at its start; ``FLAG`` in it is the path of
            ``killer/flag`` below ``tmp_path``, which is there.
    """
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    (tmp_path / "killer").mkdir()
    flag = tmp_path / "killer" / "flag"
    flag.touch()
    (tmp_path / "killer" / "sitecustomize.py").write_text(f"FLAG = {str(flag)!r}\n{killer}")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'killer'}:{ROOT}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "include_dashboard": False, **NODE}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1, **NODE)
    yield made
    made.shutdown()
