"""Mel-frequency cepstral coefficients (MFCC), equal to librosa.feature.mfcc's defaults.

librosa itself needs 260 MB of memory. The steps: short-time Fourier transform with a Hann window →
power in 128 mel bands → decibels → discrete cosine transform, of which the first 20 coefficients
are kept (Davis and Mermelstein, IEEE Trans. ASSP 28(4), 1980). They describe the shape of the
spectrum: timbre, not pitch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clipping.errors import ClippingError
from clipping.extra import has_extra, remedy
from preprocess.settings import FeatureSettings

N_MELS = 128
"""Number of mel bands, librosa's default."""
FLOOR_POWER = 1e-10
"""Smallest power of a band (-100 dB); less is raised to it before the logarithm."""
RANGE_DB = 80.0
"""Bands more than so many decibels below the loudest band of the window are raised to there."""
_BLOCK_COLUMNS = 1024  # 1024 columns x 2048 samples x 4 bytes = 8 MB at once


def mfcc(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Return the MFCC of a window: float32 ``(n_mfcc, columns)``, zeros after the sound.

    Equal to librosa's on the same samples to 1e-3. The 80 dB range depends on the loudest instant
    of all samples, so a window must be passed as a whole.

    Args:
        samples: mono float32 in -1..1 at ``settings.sample_rate``, of the window or shorter.

    Raises:
        ClippingError: if ``settings.mfcc_engine`` is librosa and librosa is not installed.
    """
    from threadpoolctl import threadpool_limits

    padded = np.zeros((settings.n_mfcc, settings.columns), np.float32)
    if samples.size:
        # The rounding of a matrix product depends on the number of threads; one thread gives the
        # same bits on every machine of a kind.
        with threadpool_limits(1, user_api="blas"):
            made = ENGINES[settings.mfcc_engine](samples, settings)[:, : settings.columns]
        padded[:, : made.shape[1]] = made
    return padded


def _fast(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Compute MFCC in float32 throughout, as librosa does.

    With another precision the bands near the 80 dB floor, which hold little but rounding errors,
    would differ from librosa's by more than 1e-3.
    """
    return cepstrum(mel_decibels(samples, settings), settings.n_mfcc)


def mel_decibels(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Return the power of each mel band in dB, -100 or more: float32 ``(columns, N_MELS)``."""
    import scipy.fft

    n_fft, hop = settings.n_fft, settings.hop_samples
    # Half a window of zeros at both ends, so that column n is centred on sample n * hop
    # (librosa: center=True, pad_mode="constant").
    padded = np.pad(np.asarray(samples, np.float32), n_fft // 2)
    columns = 1 + samples.size // hop
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][:columns]
    # A periodic Hann window, as for Fourier analysis; np.hanning is the symmetric one.
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    bands = mel_bands(settings.sample_rate, n_fft)
    mel = np.empty((columns, N_MELS), np.float32)
    for start in range(0, columns, _BLOCK_COLUMNS):
        spectrum = scipy.fft.rfft(windows[start : start + _BLOCK_COLUMNS] * hann, axis=1)
        mel[start : start + _BLOCK_COLUMNS] = np.abs(spectrum) ** 2 @ bands.T
    decibels: np.ndarray = 10 * np.log10(np.maximum(mel, np.float32(FLOOR_POWER)))
    return decibels


def cepstrum(decibels: np.ndarray, n_mfcc: int) -> np.ndarray:
    """Turn mel bands in dB, ``(columns, N_MELS)``, into MFCC, ``(n_mfcc, columns)``.

    Bands more than RANGE_DB below the loudest of all bands are raised to there first.
    """
    import scipy.fft

    # librosa.power_to_db(top_db=80), then an orthonormal DCT-II of each column.
    limited = np.maximum(decibels, decibels.max() - np.float32(RANGE_DB))
    made: np.ndarray = scipy.fft.dct(limited, axis=1, type=2, norm="ortho")
    return made[:, :n_mfcc].T


def require_engine(name: str) -> None:
    """See that what computes the MFCC is installed; nothing of it is loaded.

    Raises:
        ClippingError: naming the line that installs it.
    """
    if name == "librosa" and not has_extra("librosa"):
        raise ClippingError(f"{remedy('librosa')}; or choose --features.mfcc-engine fast")


def _librosa(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    require_engine("librosa")
    import librosa

    # librosa warns about sound shorter than a column; zeros after it give the same numbers.
    short = max(0, settings.n_fft - samples.size)
    made: np.ndarray = librosa.feature.mfcc(
        y=np.pad(samples, (0, short)),
        sr=settings.sample_rate,
        n_mfcc=settings.n_mfcc,
        n_fft=settings.n_fft,
        hop_length=settings.hop_samples,
    )
    return made[:, : 1 + samples.size // settings.hop_samples]


ENGINES = {"fast": _fast, "librosa": _librosa}
"""Functions that compute MFCC, by the name in the settings."""


@lru_cache(maxsize=4)
def mel_bands(rate: int, n_fft: int) -> np.ndarray:
    """Return triangular filters from power spectrum to mel bands: ``(N_MELS, 1 + n_fft // 2)``.

    float32, on Slaney's mel scale from 0 Hz to half the rate, each filter with unit area
    (librosa's defaults; Slaney, Auditory Toolbox, Interval Research report 1998-010).
    """
    frequencies = np.fft.rfftfreq(n_fft, 1 / rate)
    edges = _mel_to_hertz(np.linspace(0, _hertz_to_mel(rate / 2), N_MELS + 2))
    widths = np.diff(edges)
    # Filter n rises from edge n to edge n + 1 and falls to edge n + 2.
    ramps = edges[:, None] - frequencies
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    bands = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    bands *= (2 / (edges[2:] - edges[:-2]))[:, None]  # a triangle of height 1 has half this area
    bands.setflags(write=False)
    return bands


# Slaney's scale: 3 mel per 200 Hz up to 1 kHz, above it 27 mel for each factor of 6.4.
_LINEAR_HERTZ = 200 / 3
_KNEE_HERTZ = 1000.0
_KNEE_MEL = _KNEE_HERTZ / _LINEAR_HERTZ
_LOG_STEP = np.log(6.4) / 27


def _hertz_to_mel(hertz: float) -> float:
    if hertz < _KNEE_HERTZ:
        return hertz / _LINEAR_HERTZ
    return float(_KNEE_MEL + np.log(hertz / _KNEE_HERTZ) / _LOG_STEP)


def _mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HERTZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HERTZ, above)
