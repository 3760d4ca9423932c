"""The pictures of an episode: each part is a run of shots, with one picture for each frame."""

from __future__ import annotations

from itertools import islice

import numpy as np
from PIL import Image, ImageDraw

from avtnet.synthesis.drawing import Style, draw_place, hsv
from avtnet.synthesis.script import EPISODE, PART, Script, ScriptPart, stream
from avtnet.synthesis.sequences import BLACK, WHITE, Pictures, ending, opening, stamped
from avtnet.synthesis.soundtrack import Score


def pictures(script: Script, look: Style, score: Score, seed: int) -> Pictures:
    """Yield every frame of the episode."""
    for number, part in enumerate(script.parts):
        rng = stream(seed, EPISODE, script.index, PART, number, 1)
        run = _show_part(part, script, look, score, rng)
        following = script.parts[number + 1].kind if number + 1 < len(script.parts) else ""
        if _fades(part.kind, following, script, look):
            run = _fade_out(run, part.frames, round(0.8 * script.rate))
        yield from run


def _fades(kind: str, following: str, script: Script, look: Style) -> bool:
    """Return whether a part fades to black; not before a black part, which would hide the cut."""
    if kind == "opening":
        return script.manner.fade_opening and following != "title"
    return following == "ending" and script.manner.fade_story and not look.ending_black


def _show_part(
    part: ScriptPart, script: Script, look: Style, score: Score, rng: np.random.Generator
) -> Pictures:
    rate = script.rate
    if part.kind == "opening":
        # The same pictures in every episode; a file that starts late misses the first of them.
        own = np.random.default_rng(look.seed)
        total = part.cut_head + part.frames
        shown = opening(total, rate, look, score.opening, own, script.manner.opening_credits)
        return islice(shown, part.cut_head, None)
    if part.kind == "ending":
        return ending(part.frames, rate, look, np.random.default_rng(look.seed + 1))
    if part.kind == "story":
        run = _story(part.frames, rate, look, rng, seconds=4.0)
        return _subtitled(run, rate, look, rng) if script.manner.subtitles else run
    if part.kind == "preview":
        return _preview(part.frames, rate, look, rng)
    return _card(part, look, rng)


def _story(
    frames: int, rate: int, look: Style, rng: np.random.Generator, seconds: float
) -> Pictures:
    """Shots of about so many seconds: talk, walks, places, signs, now and then some action."""
    shown = 0
    while shown < frames:
        length = min(max(2, round(rng.gamma(3, seconds / 3) * rate)), frames - shown)
        shot = STORY_SHOTS[rng.choice(len(STORY_SHOTS), p=STORY_SHARES)]
        yield from shot(length, rate, look, rng)
        shown += length


def _talk_shot(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Somebody talks before a still background; the mouth moves on every third of a second."""
    width, height = look.size
    place = draw_place(look, rng, width, height)
    someone = look.characters[rng.integers(len(look.characters))]
    x = round(width * rng.uniform(0.1, 0.6))
    held = []
    for bust in (someone.bust, someone.talking):
        image = place.copy()
        image.paste(bust, (x, height - bust.height + 4), bust)
        held.append(image)
    hold = max(1, rate // 3)
    mouth = 0
    for k in range(frames):
        if k % hold == 0:
            mouth = int(rng.random() < 0.5)
        yield held[mouth]


def _walk_shot(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    width, height = look.size
    place = draw_place(look, rng, width * 2, height)
    walker = look.characters[rng.integers(len(look.characters))].walking
    hold = max(1, rate // 3)
    image = place
    for k in range(frames):
        if k % hold == 0:
            x = round(width * min(0.95, k / rate * 0.08))
            image = place.crop((x, 0, x + width, height))
            figure = walker[k // hold % 2]
            image.paste(figure, (round(width * 0.35), height - figure.height - 2), figure)
        yield image


def _place_shot(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """A place, seen in a slow pan or held; sometimes with a sign."""
    width, height = look.size
    place = draw_place(look, rng, round(width * 1.4), height)
    if rng.random() < 0.4:
        sign = look.typist.sign(rng, WHITE)
        x, y = round(width * rng.uniform(0.2, 0.7)), round(height * rng.uniform(0.2, 0.6))
        board = (x - 4, y - 2, x + sign.width + 4, y + sign.height + 2)
        ImageDraw.Draw(place).rectangle(board, fill=hsv(rng.random(), 0.7, 0.35))
        place.paste(sign, (x, y), sign)
    pans = rng.random() < 0.5
    still = place.crop((0, 0, width, height))
    for k in range(frames):
        x = round(0.4 * width * k / frames)
        yield place.crop((x, 0, x + width, height)) if pans else still


def _action_shot(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Speed lines and somebody who shakes."""
    width, height = look.size
    someone = look.characters[rng.integers(len(look.characters))].bust
    ground = hsv(look.hues[rng.integers(len(look.hues))], 0.5, rng.uniform(0.2, 0.6))
    for _ in range(frames):
        image = Image.new("RGB", look.size, ground)
        draw = ImageDraw.Draw(image)
        for y, x, long in rng.uniform((0, -50, 30), (height, width, 120), (14, 3)).tolist():
            draw.line((x, y, x + long, y), fill=WHITE, width=1)
        x, y = (width - someone.width) // 2 + rng.integers(-6, 7), rng.integers(20, 32)
        image.paste(someone, (int(x), int(y)), someone)
        yield image


STORY_SHOTS = (_talk_shot, _walk_shot, _place_shot, _action_shot)
STORY_SHARES = (0.5, 0.2, 0.2, 0.1)


def _preview(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Short shots of the next episode under its title."""
    text = look.typist.headline("Next episode", WHITE)
    yield from stamped(_story(frames, rate, look, rng, seconds=1.5), text, (6, 4))


def _card(part: ScriptPart, look: Style, rng: np.random.Generator) -> Pictures:
    """One picture with a line of text: the episode's title, a sponsor, the middle of the show."""
    width, height = look.size
    image = draw_place(look, rng, width, height, bright=1.0)
    if part.kind == "title":
        # Dark: the opening before it ends on its bright title.
        ground = BLACK if rng.random() < 0.5 else hsv(look.hues[0], 0.6, 0.3)
        image = Image.new("RGB", look.size, ground)
        text = look.typist.headline(look.typist.episode_title(rng), WHITE)
    elif part.kind == "sponsor":
        text = look.typist.headline("Brought to you by", WHITE)
    else:
        text = look.typist.logo(WHITE, BLACK)
    text.thumbnail((round(width * 0.9), round(height * 0.7)))
    image.paste(text, ((width - text.width) // 2, (height - text.height) // 2), text)
    for _ in range(part.frames):
        yield image


def _subtitled(run: Pictures, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Yield the pictures with lines of dialogue at the bottom, most of the time."""
    width, height = look.size
    while True:
        silent = list(islice(run, round(rng.gamma(2, 0.8) * rate)))
        yield from silent
        line = look.typist.subtitle(rng)
        at = ((width - line.width) // 2, height - line.height - 3)
        spoken = 0
        for image in stamped(islice(run, max(1, round(rng.uniform(1, 4) * rate))), line, at):
            spoken += 1
            yield image
        if not spoken:
            return


def _fade_out(run: Pictures, frames: int, length: int) -> Pictures:
    """Yield the pictures; the last ``length`` of them fade to black."""
    length = max(1, min(length, frames - 1))
    for k, image in enumerate(run):
        left = frames - 1 - k
        if left >= length:
            yield image
        else:
            yield Image.blend(image, Image.new("RGB", image.size, BLACK), 1 - left / length)
