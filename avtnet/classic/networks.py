"""The networks of the original by name: adding one is one file and one row.

A row may also come from a plugin (docs/add-a-network.md).
"""

from __future__ import annotations

from clipping.plugins import Row, Table

TASK = "avtnet"
"""The task that these networks are trained for."""
NETWORKS = {
    "avtnet": Row("avtnet.classic.model:AVTNet", "one look at the window, one position"),
    "avtnet2": Row("avtnet.classic.model:AVTNet2", "the same with a two-layer backend"),
    "avtnet_yolt": Row(
        "avtnet.classic.model:AVTNet_YOLT", "you only look twice: a cell, then a place inside it"
    ),
}
TABLE = Table("network", "NETWORKS", Row, NETWORKS, task=TASK)
"""Those and the networks of plugins."""
