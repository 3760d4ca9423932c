"""Named seasons: what their episodes consist of, small for tests or at full length.

``SCENARIOS[name](seed, scale)`` gives the plans. At ``full`` scale episodes last 24 minutes, songs
90 s, and places are spread like those of real openings (88 s long; 15 % start in the first 5 s,
31 % until a minute, 28 % until 110 s, 20 % until 200 s, the rest later; within one series the start
moves by a minute). At ``test`` scale times of the story are a tenth of that, and songs 20 to 25 s
except where their length is the point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

from making.season_plan import EpisodePlan, Piece, Reel, Release, Track
from making.season_series import RELEASES, Pieces, Scale, Series, snapped, taken


def _ordinary(series: Series) -> list[EpisodePlan]:
    """Cards in the middle; after most endings a preview, after some another scene."""
    bodies = {}
    for n in range(1, series.count() + 2):
        rng = series.rng("tail", n)
        after: Pieces = ()
        if rng.random() < 0.25:
            after = series.story(series.at(rng.uniform(60, 170)), n, "after")
        songs = {"opening": series.opening(n), "ending": series.ending(n)}
        bodies[n] = series.body(n, **songs, after=after, bumper=True)
    plans = []
    for n in range(1, series.count() + 1):
        announced = series.rng("announced", n).random() < 0.6
        tail = series.preview(bodies[n + 1], n, jingle=True) if announced else ()
        plans.append(series.plan(n, bodies[n] + tail))
    return plans


def _cold_open(series: Series) -> list[EpisodePlan]:
    places = {1: 0.0, 2: 660.0, 3: 1230.0}
    return [
        series.plan(
            n,
            series.body(
                n,
                opening=series.opening(n),
                ending=series.ending(n),
                opening_at=series.at(places[n]) if n in places else None,
            ),
        )
        for n in range(1, series.count() + 1)
    ]


def _moving(series: Series) -> list[EpisodePlan]:
    places = (10.0, 420.0, 150.0, 290.0, 85.0, 510.0, 30.0, 220.0, 360.0)
    return [
        series.plan(
            n,
            series.body(
                n,
                opening=series.opening(n),
                ending=series.ending(n),
                opening_at=series.at(places[n - 1]),
            ),
        )
        for n in range(1, series.count() + 1)
    ]


def _two_openings(series: Series) -> list[EpisodePlan]:
    """Opening and ending change in the middle."""
    count = 13 if series.full else 6
    plans = []
    for n in range(1, count + 1):
        which = "A" if n <= count // 2 else "B"
        body = series.body(
            n, opening=series.opening(n, which), ending=series.ending(n, which, reel=which)
        )
        plans.append(series.plan(n, body))
    return plans


def _lengths(seconds: float) -> Callable[[Series], list[EpisodePlan]]:
    def plans(series: Series) -> list[EpisodePlan]:
        return [
            series.plan(
                n,
                series.body(n, opening=series.opening(n, seconds=seconds), ending=series.ending(n)),
            )
            for n in range(1, series.count(3) + 1)
        ]

    return plans


def _first_without(series: Series) -> list[EpisodePlan]:
    return [
        series.plan(
            n,
            series.body(n, opening=series.opening(n) if n > 1 else None, ending=series.ending(n)),
        )
        for n in range(1, series.count() + 1)
    ]


def _song_as_ending(series: Series) -> list[EpisodePlan]:
    """The first episode has no opening: its song comes at the end, over credits."""
    plans = []
    for n in range(1, series.count() + 1):
        if n > 1:
            body = series.body(n, opening=series.opening(n), ending=series.ending(n))
        else:
            song = series.opening(n)
            credits = replace(series.ending(n, reel="first"), seconds=song.seconds)
            body = series.body(n, opening=None, ending=replace(credits, tracks=song.tracks))
        plans.append(series.plan(n, body))
    return plans


def _other_pictures(series: Series) -> list[EpisodePlan]:
    """Every ending has the same song under other pictures."""
    return [
        series.plan(
            n,
            series.body(n, opening=series.opening(n), ending=series.ending(n, reel=f"of {n}")),
        )
        for n in range(1, series.count() + 1)
    ]


def _other_sounds(series: Series) -> list[EpisodePlan]:
    """Every ending has another song under the same pictures."""
    return [
        series.plan(
            n, series.body(n, opening=series.opening(n), ending=series.ending(n, f"of {n}"))
        )
        for n in range(1, series.count() + 1)
    ]


def _dub(series: Series) -> list[EpisodePlan]:
    """The second episode is there twice: with other voices over the same pictures and music."""
    plans = []
    for n in range(1, series.count(3) + 1):
        songs = {"opening": series.opening(n), "ending": series.ending(n)}
        plans.append(series.plan(n, series.body(n, **songs)))
        if n == 2:
            dubbed = series.plan(n, series.body(n, **songs, dub="other"), release=RELEASES[0])
            plans.append(replace(dubbed, name=dubbed.name + " dub"))
    return plans


def _placed(pieces: Pieces) -> list[tuple[float, Piece]]:
    """Pieces with the times at which they begin."""
    starts = itertools.accumulate((piece.seconds for piece in pieces), initial=0.0)
    return list(zip(starts, pieces, strict=False))


def _recap(series: Series) -> list[EpisodePlan]:
    """Episodes from the second on begin with two minutes of the last one: a stretch, or four."""
    bodies: list[Pieces] = []
    for n in range(1, series.count() + 1):
        before: Pieces = ()
        if n > 1:
            last = bodies[-1]
            whole = 120.0 if series.full else 20.0
            sung = max(
                at + piece.seconds for at, piece in _placed(last) if piece.label == "opening"
            )
            begin = snapped(sung + 2.0)
            places = [(begin, whole)] if n % 2 else [(begin + whole, whole / 2), (begin, whole / 2)]
            if any(
                piece.label == "ending" and at < begin + 1.5 * whole for at, piece in _placed(last)
            ):
                raise ValueError("the recap would repeat a song")
            for first, seconds in places:
                before += taken(last, first, first + seconds, "recap")
        bodies.append(
            series.body(
                n,
                opening=series.opening(n),
                ending=series.ending(n),
                before=before,
                opening_at=sum(piece.seconds for piece in before) + series.at(40.0),
            )
        )
    return [series.plan(n, body) for n, body in enumerate(bodies, 1)]


def _duplicates(series: Series) -> list[EpisodePlan]:
    """The second episode three times: the same file again, and encoded again."""
    plans = []
    for n in range(1, series.count(3) + 1):
        plan = series.plan(n, series.body(n, opening=series.opening(n), ending=series.ending(n)))
        plans.append(plan)
        if n == 2:
            other = RELEASES[(RELEASES.index(plan.release) + 2) % len(RELEASES)]
            plans.append(replace(plan, name=plan.name + " copy"))
            plans.append(replace(plan, name=plan.name + " v2", release=other))
    return plans


def _double(series: Series) -> list[EpisodePlan]:
    """The first two episodes in one file."""
    bodies = [
        series.body(n, opening=series.opening(n), ending=series.ending(n))
        for n in range(1, series.count() + 2)
    ]
    both = series.plan(1, bodies[0] + bodies[1])
    return [
        replace(both, name=f"{both.name}-E02"),
        *(series.plan(n, body) for n, body in enumerate(bodies[2:], 3)),
    ]


def _silent(series: Series) -> list[EpisodePlan]:
    """The second episode has no sound."""
    plans = [
        series.plan(n, series.body(n, opening=series.opening(n), ending=series.ending(n)))
        for n in range(1, series.count() + 1)
    ]
    plans[1] = replace(plans[1], release=Release(".mkv", "libx264", None))
    return plans


def _corrupt(series: Series) -> list[EpisodePlan]:
    """The second episode is no media, the third is cut short."""
    plans = [
        series.plan(
            n,
            series.body(
                n, opening=series.opening(n), ending=series.ending(n), opening_at=series.at(60)
            ),
        )
        for n in range(1, series.count(5) + 1)
    ]
    plans[1] = replace(plans[1], damage="noise")
    plans[2] = replace(plans[2], damage="truncated", release=RELEASES[0])  # Matroska can be read
    return plans


def _alone(series: Series) -> list[EpisodePlan]:
    return [series.plan(1, series.body(1, opening=series.opening(1), ending=series.ending(1)))]


def _preview(series: Series, *, jingle: bool = True) -> list[EpisodePlan]:
    """After the ending a scene (every second episode), then shots of the next episode."""
    count = series.count()
    bodies = [
        series.body(
            n,
            opening=series.opening(n),
            ending=series.ending(n),
            after=series.story(60.0 if series.full else 9.0, n, "after") if n % 2 else (),
        )
        for n in range(1, count + 2)
    ]
    return [
        series.plan(n, bodies[n - 1] + series.preview(bodies[n], n, jingle=jingle))
        for n in range(1, count + 1)
    ]


def _preview_talk(series: Series) -> list[EpisodePlan]:
    return _preview(series, jingle=False)


def _cards(series: Series) -> list[EpisodePlan]:
    """All start with a channel's logo and have two short cards in the middle."""
    logo = series.card("logo", 7.0)
    return [
        series.plan(
            n,
            series.body(
                n,
                opening=series.opening(n),
                ending=series.ending(n),
                before=(logo,),
                opening_at=7.0 + series.opening_at(n),
                bumper=True,
            ),
        )
        for n in range(1, series.count() + 1)
    ]


def _no_opening(series: Series) -> list[EpisodePlan]:
    """Nothing to be found: only a logo and cards are shared."""
    logo = series.card("logo", 7.0)
    return [
        series.plan(n, series.body(n, opening=None, ending=None, before=(logo,), bumper=True))
        for n in range(1, series.count() + 1)
    ]


def _mixed(series: Series) -> list[EpisodePlan]:
    """In the last episode both songs are played, quietly talked over, under story."""
    plans = []
    count = series.count()
    for n in range(1, count + 1):
        if n < count:
            body = series.body(n, opening=series.opening(n), ending=series.ending(n))
        else:
            songs = [
                replace(
                    song,
                    tracks=(
                        *song.tracks,
                        replace(series.story(5.0, n, song.label)[0].tracks[0], gain=0.5),
                    ),
                    reel=Reel("story", series.key("over", song.label)),
                    label="mixed",
                    fades=(0.0, 0.0),
                )
                for song in (series.opening(n), series.ending(n))
            ]
            body = series.body(n, opening=songs[0], ending=songs[1])
            body += series.story(series.at(100.0), n, "end")
        plans.append(series.plan(n, body))
    return plans


def _special_ending(series: Series) -> list[EpisodePlan]:
    """The last episode has an ending of its own."""
    count = series.count()
    return [
        series.plan(
            n,
            series.body(
                n,
                opening=series.opening(n),
                ending=series.ending(n) if n < count else series.ending(n, "last", reel="last"),
            ),
        )
        for n in range(1, count + 1)
    ]


def _score(series: Series) -> list[EpisodePlan]:
    """The same background music is heard alone for half a minute somewhere in the story."""
    plans = []
    for n in range(1, series.count() + 1):
        music = Piece(
            30.0 if series.full else 12.0,
            (Track("score", series.key("score", 0), length=90.0, gain=0.6),),
            Reel("story", series.key("music", n)),
        )
        body = series.body(
            n, opening=series.opening(n), ending=series.ending(n, reel="A"), bumper=True
        )
        card = next(place for place, piece in enumerate(body) if piece.reel.kind == "card")
        scene = body[card - 1]
        before, behind = scene.seconds - 5.0, 5.0
        parts = (scene.excerpt(0.0, before), music, scene.excerpt(before, behind))
        plans.append(series.plan(n, (*body[: card - 1], *parts, *body[card:])))
    return plans


_PLANS: dict[str, Callable[[Series], list[EpisodePlan]]] = {
    "ordinary": _ordinary,
    "cold_open": _cold_open,
    "two_openings": _two_openings,
    "song_as_ending": _song_as_ending,
    "other_pictures": _other_pictures,
    "recap": _recap,
    "preview": _preview,
    "mixed": _mixed,
    "moving": _moving,
    "dub": _dub,
    "cards": _cards,
    "double": _double,
    "other_sounds": _other_sounds,
    "long_opening": _lengths(150.0),
    "short_opening": _lengths(20.0),
    "first_without": _first_without,
    "duplicates": _duplicates,
    "no_opening": _no_opening,
    "score": _score,
    "preview_talk": _preview_talk,
    "silent": _silent,
    "corrupt": _corrupt,
    "special_ending": _special_ending,
    "alone": _alone,
    "middle_opening": _lengths(90.0),
}


def _named(name: str) -> Callable[[int, Scale], tuple[EpisodePlan, ...]]:
    return lambda seed, scale: tuple(_PLANS[name](Series(name, seed, scale)))


SCENARIOS: dict[str, Callable[[int, Scale], tuple[EpisodePlan, ...]]] = {
    name: _named(name) for name in _PLANS
}
"""Name → plans for a seed and a scale."""
