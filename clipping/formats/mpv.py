"""Options of mpv's skip script (``skip-op_start`` …), written as arguments of a command line.

``mpv $(cat ep01.mpv.txt) ep01.mkv`` uses them.
"""

from __future__ import annotations

import re

from clipping.formats.reading import About, LineError, numbered, plain_number
from clipping.segments import Segment, Timeline

_NAMES = {"opening": "op", "ending": "ed"}
_OPTION = re.compile(r"(?:--)?script-opts(?:-append|-add)?=(.*)", re.ASCII)
_KEY = re.compile(r"skip-(op|ed)_(start|end)=(.*)", re.ASCII)


def to_text(timeline: Timeline) -> str:
    """The first opening and the first ending, to the millisecond; "" if there is neither."""
    options = []
    for label, name in _NAMES.items():
        segment = timeline.find(label)
        if segment is not None and round(segment.start, 3) < round(segment.end, 3):
            options.append(f"skip-{name}_start={segment.start:.3f}")
            options.append(f"skip-{name}_end={segment.end:.3f}")
    return f"--script-opts={','.join(options)}\n" if options else ""


def from_text(text: str, about: About) -> Timeline:
    """The segments of lines of options, with ``--`` or without; other scripts' keys are skipped.

    Raises:
        LineError: for a line that is not ``script-opts``, or a wrong time.
    """
    times: dict[str, float] = {}
    last = 1
    for line, content in numbered(text):
        if content.startswith("#"):
            continue
        option = _OPTION.fullmatch(content)
        if option is None:
            raise LineError(line, f"a line is --script-opts=…, got {content[:80]!r}")
        last = line
        for pair in option[1].strip("\"'").split(","):
            if key := _KEY.fullmatch(pair.strip()):
                try:
                    times[f"{key[1]}_{key[2]}"] = plain_number(key[3])
                except ValueError as error:
                    raise LineError(line, error) from error
    segments = []
    for label, name in _NAMES.items():
        start, end = times.get(f"{name}_start"), times.get(f"{name}_end")
        if start is None and end is None:
            continue
        if start is None or end is None:
            raise LineError(last, f"skip-{name}_start and skip-{name}_end go together")
        try:
            segments.append(Segment(start, end, label))
        except ValueError as error:
            raise LineError(last, error) from error
    return Timeline(about.source, about.duration, tuple(segments))
