"""A training that is stopped after some updates, as by Ctrl-C, for tests of going on."""

from contextlib import contextmanager

import pytest

from clipping.learning import loop


class StopAfter:
    """Stands for the event that Ctrl-C sets: set after some looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def is_set(self):
        self.looks -= 1
        return self.looks < 0


def interrupted(train, looks):
    """Call ``train``; its loop, in this process, is told to stop at look number ``looks``.

    It looks after each update and each validation.
    """

    @contextmanager
    def stop_on_signals():
        yield StopAfter(looks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "stop_on_signals", stop_on_signals)
        with pytest.raises(KeyboardInterrupt):
            train()
