"""One function of one item, run over many items; any worker may die and takes one item with it.

:func:`clipping.many.run_many.run_many` is the call; :class:`clipping.many.processes.Local` and
:class:`clipping.many.cluster.Ray` say where the work is done.
"""
