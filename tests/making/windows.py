"""Feature files with a boundary that a network can see, made without media: for tests of training.

Real features of real media run in test_preprocess.py and test_recipe.py; these windows are short
and their pictures small, so that a step takes milliseconds.
"""

from pathlib import Path

import numpy as np

from avtnet.classic.config import ModelConfig, TrainConfig
from clipping.identity import Source
from clipping.windows import WindowId, write_labels
from preprocess.features import Features, feature_path, save
from preprocess.settings import FeatureSettings

SETTINGS = FeatureSettings(
    window=20.0,
    sample_rate=8000,
    hop_samples=4096,
    frame_height=16,
    frame_width=16,
    mask_height=16,
    mask_width=16,
    text_engine="none",
)


def make_features(name, side, seconds, settings=SETTINGS, seed=0):
    """Features of a window whose sound, picture and text change at ``seconds`` of 200."""
    random = np.random.default_rng([seed, *name.encode(), len(side)])
    arrays = {}
    for key, shape in settings.shapes.items():
        steps = shape[1] if key == "mfcc" else shape[0]
        after = np.arange(steps) / steps >= seconds / 200
        if key == "mfcc":
            noise = random.normal(size=shape) * 5
            arrays[key] = (noise + np.where(after, 40.0, -40.0)).astype(np.float32)
        elif key == "frames":
            level = np.where(after, 200, 40).reshape(-1, 1, 1, 1)
            arrays[key] = (level + random.integers(0, 30, shape)).astype(np.uint8)
        else:
            arrays[key] = (random.random(shape) < 0.5) & ~after.reshape(-1, 1, 1)
    return Features(
        **arrays,
        name=name,
        side=side,
        start=0.0,
        covered=settings.window,
        duration=400.0,
        source=Source(file=f"{name}.mkv", size_bytes=1, fingerprint="0"),
        settings=settings,
    )


def make_data(root: Path, count=14, settings=SETTINGS, seed=0) -> Path:
    """A data folder with labels.txt and features/ of ``count`` windows."""
    labels = {}
    for index in range(count):
        side = ("start", "end")[index % 2]
        window = WindowId(f"ep{index // 2:02d}", side)
        labels[window] = 20 + (index * 53 + seed * 17) % 160
        features = make_features(window.name, side, labels[window], settings, seed)
        save(features, feature_path(root / "features", window.name, side))
    write_labels(root / "labels.txt", labels)
    return root


NANO = ModelConfig(size="nano", hidden=8)


def small_training(data: Path, save_prefix: Path, **settings) -> TrainConfig:
    """Three epochs of batches of four on such a folder, but for the settings named."""
    usual = {"batch_size": 4, "max_epoch": 3, "warmup_epoch": 1, "model": NANO, "lr": 1e-3}
    return TrainConfig(data_root=data, save_prefix=save_prefix, **(usual | settings))
