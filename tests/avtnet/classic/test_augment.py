"""Windows changed by chance in every step of a training."""

from __future__ import annotations

import torch

from avtnet.classic.augment import HIDDEN, augmented
from avtnet.classic.dataset import Batch


def windows(rows=400, seconds=6, columns=30):
    generator = torch.Generator().manual_seed(3)
    mfcc = 100 * torch.randn(rows, 20, columns, generator=generator)
    mfcc[:, :, -5:] = 0  # behind the file's end
    frames = torch.randint(60, 190, (rows, seconds, 3, 4, 5), generator=generator)
    text = torch.rand(rows, seconds, 6, 7, generator=generator) < 0.5
    return Batch(mfcc, frames.to(torch.uint8), text)


def test_shapes_and_types_stay_and_the_windows_given_are_not_touched():
    given = windows()
    before = [tensor.clone() for tensor in given]
    made = augmented(given)
    for tensor, other, kept in zip(made, given, before, strict=True):
        assert (tensor.shape, tensor.dtype) == (other.shape, other.dtype)
        assert torch.equal(other, kept)


def test_a_seed_repeats_them():
    torch.manual_seed(5)
    one = augmented(windows())
    other = augmented(windows())
    torch.manual_seed(5)
    again = augmented(windows())
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.frames, other.frames)


def test_some_windows_lack_a_sense_and_none_lacks_two():
    torch.manual_seed(1)
    made = augmented(windows())
    gone = torch.stack([(tensor == 0).flatten(1).all(1) for tensor in made])
    assert gone.sum(0).max() == 1
    for share in gone.float().mean(1).tolist():
        assert HIDDEN / 3 < share < 3 * HIDDEN


def test_pictures_and_text_are_mirrored_together_and_silence_stays_silence():
    torch.manual_seed(2)
    given = windows()
    made = augmented(given)
    turned = 0
    for row in range(len(given.text)):
        seen = made.text[row].flatten(1).any(1)
        if not seen.any() or not made.frames[row].any():
            continue
        same = torch.equal(made.text[row][seen], given.text[row][seen])
        mirrored = torch.equal(made.text[row][seen], given.text[row].flip(-1)[seen])
        assert same != mirrored
        pictures = given.frames[row].flip(-1) if mirrored else given.frames[row]
        both = torch.stack([pictures.flatten().double(), made.frames[row].flatten().double()])
        assert torch.corrcoef(both)[0, 1] > 0.9
        turned += mirrored
    assert 100 < turned < 300
    assert not made.mfcc[:, :, -5:].any()


def test_sound_keeps_its_shape_but_for_a_constant_and_a_little_noise():
    torch.manual_seed(4)
    given = windows()
    made = augmented(given)
    heard = made.mfcc[:, :, :-5]
    present = heard.flatten(1).any(1)
    apart = (heard - given.mfcc[:, :, :-5])[present]
    assert apart.std(2).max() < 4  # noise has a deviation of 2
    assert (apart.std(2).mean(1) < 1e-3).float().mean() > 0.5  # without noise
    assert apart.mean(2).abs().mean() > 2
