"""The rows that avtnet brings to the general commands (``python -m clipping train --task …``).

setup.cfg names this module in the entry point group ``clipping.plugins``, as any other package
names its own (:mod:`clipping.plugins`).
"""

from __future__ import annotations

from avtnet.classic.networks import NETWORKS as CLASSIC
from avtnet.classic.networks import TASK
from clipping.plugins import Row

TASKS = {
    TASK: Row("avtnet.tasks.classic", "where the opening ends and the ending begins in a window"),
    "avtnet-composed": Row("avtnet.tasks.composed", "the same, on windows composed in every step"),
    "avtnet-dense": Row("avtnet.tasks.dense", "both ends of openings and endings, or nothing"),
    "avtnet-tune": Row("avtnet.tasks.tuning", "AVTNetDense, tuned on your own labelled episodes"),
}
NETWORKS = {TASK: CLASSIC}
