"""The settings of networks and trainings. The defaults are the original's (spec: Training)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from avtnet.classic.networks import TABLE

Inputs = Literal["audio", "video", "audio+video", "audio+video+text"]


@dataclass(frozen=True)
class Widths:
    """Widths of the parts of a network; ``full`` is the original's."""

    frame_encoder: Literal["resnet18", "depthwise", "dense"]
    """``dense``: those of frames, text and sound are AVTNetDense's, for its shipped weights."""
    frame_channels: tuple[int, ...]
    """Channels of the encoder's stages; a frame's vector has the last, or twice the last."""
    text_channels: tuple[int, ...]
    """Channels of the text-ROI net's convolutions."""
    audio_channels: tuple[int, ...]
    """Channels of the 1-d ResNet's stages, or of the encoder's convolutions."""
    hidden: int
    """Width of each direction of the GRUs."""
    layers: int
    """Layers of the GRUs."""


SIZES = {
    "full": Widths("resnet18", (512,), (32, 64, 96, 128), (64, 128, 256, 512), 1024, 2),
    "small": Widths("depthwise", (48, 96, 192), (16, 32, 48, 64), (32, 64, 96, 128), 128, 2),
    "nano": Widths("depthwise", (16, 32, 64), (4, 8, 16, 32), (16, 32, 48, 64), 128, 1),
    "small_dense": Widths("dense", (24, 48, 96), (8, 16, 32), (48, 64, 96), 128, 2),
}
OLD_SIZES = {"seeing": "small_dense"}
"""Names of sizes before 2026-11-30, still read → those of now."""


@dataclass(frozen=True)
class ModelConfig:
    """The kind, the inputs and the widths of a network."""

    kind: str = "avtnet"
    """avtnet, avtnet2 (two-layer backend), avtnet_yolt (you only look twice), or a network of a
    plugin; --model NAME is short for it."""
    inputs: Inputs = "audio+video+text"
    """The inputs of the network; fewer inputs make the single-modality ablations."""
    size: str = "full"
    """Preset of the widths: full (83 M parameters), small and nano (for two CPU cores), or
    small_dense: small with AVTNetDense's encoders under its GRUs, which --pretrained shipped
    fills."""
    hidden: int | None = None
    """Width of each GRU direction, where it is not the size's."""
    layers: int | None = None
    """GRU layers, where they are not the size's."""
    steps: int = 200
    """Time steps of a window: both branches are pooled to this many."""
    dropout: bool = True
    """Dropout as in the original (0.5 on frames, 0.3 in the GRUs, 0.3 after YOLT's fusion)."""
    cells: int = 20
    """YOLT: the cells that the steps are cut into."""

    def __post_init__(self) -> None:
        TABLE.find(self.kind)
        if self.size in OLD_SIZES:  # of a checkpoint or a YAML file written before
            object.__setattr__(self, "size", OLD_SIZES[self.size])
        if self.size not in SIZES:
            raise ValueError(f"size is one of {', '.join(SIZES)}, got {self.size}")
        # Upper bounds: a checkpoint's config comes from outside and decides about memory.
        _check("hidden", self.hidden, 1, 8192)
        _check("layers", self.layers, 1, 16)
        _check("steps", self.steps, 1, 100_000)
        _check("cells", self.cells, 1, self.steps)
        if self.steps % self.cells:
            raise ValueError(f"steps is a multiple of cells, got {self.steps} and {self.cells}")

    @property
    def widths(self) -> Widths:
        """The widths of ``size``, with what this config sets itself."""
        widths = SIZES[self.size]
        return replace(
            widths, hidden=self.hidden or widths.hidden, layers=self.layers or widths.layers
        )


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on the feature files below --data-root, and keep the best.

    --data-root holds labels.txt (rows `NAME_start 60.51`) and features/ as `python -m preprocess`
    makes them. A run's folder (--save-prefix) receives config.yaml, metrics.csv, TensorBoard
    events, a curve, best.safetensors, the late epochs, and last.pt, from which an interrupted run
    continues exactly (--resume).

    With --init shipped the words are those of avtnet tune: AVTNetDense, as it is shipped, is tuned
    on your own labelled episodes (avtnet train --init shipped SEASON -o runs/mine). With --composed
    LIBRARY windows are composed of rendered pieces (avtnet train --composed LIBRARY --help).
    """

    data_root: Path = Path("data")
    """Folder with labels.txt and features/."""
    shards: str | None = None
    """Folder of shards (python -m preprocess.shards), or its URL (s3://…), to train on in place of
    the windows of --data-root; --val-root then names the folder that validates."""
    val_root: Path | None = None
    """A second such folder, to validate on; absent, every seventh window of --data-root is kept
    back. Take series that are not in --data-root."""
    save_prefix: Path = Path("runs/avtnet")
    """Folder of the run."""
    gpus: str | None = None
    """GPUs to train on: 0 or 0,1 or all. Absent: the CPU."""
    lr: float = 3e-4
    """Peak learning rate of Adam."""
    batch_size: int = 16
    """Windows of a step, over all devices together."""
    accumulation_step: int = 1
    """Steps whose gradients are added up before the weights move."""
    max_epoch: int = 64
    """Epochs in all."""
    warmup_epoch: int = 5
    """Epochs in which the rate climbs from lr/10 to lr; a cosine follows."""
    data_seed: int = 0
    """Rotates the list of windows by this number % 7; then every seventh validates."""
    seed: int = 0
    """Seed of first weights, order of windows and dropout."""
    if_normal: bool = False
    """Scale frames by ImageNet mean and deviation instead of to 0..1."""
    reverse_ends: bool = False
    """Show windows of the last seconds backwards in time: then there is one question for both
    sides, where the song ends that began before, and no side to be mistaken in. The original did
    not."""
    augment: bool = False
    """Change the windows of every step by chance: mirrored, other colours, other sound and other
    missed text; now and then without one of the three. The original did not."""
    steps_loss: float = 0.0
    """Weight of a loss on every step's value (1 before the boundary, 0 behind it), besides the
    position's; the original has none. 1 is a good weight."""
    song_loss: float = 0.0
    """Weight of a loss on which steps are inside of the song, said by a layer next to the network
    that is thrown away afterwards; the original has none. 1 is a good weight. --data-root then
    holds songs.csv, too (avtnet compose writes it): the other end of each song."""
    use_amp: bool = False
    """Mixed precision: float16 on GPUs, bfloat16 on the CPU."""
    num_workers: int = 2
    """Threads that read the next batches meanwhile, per training process; 0 reads in between."""
    processes: int = 1
    """Training processes on the CPU, for machines with many cores. Under torchrun, which starts the
    processes of one or more machines by itself, this is left out."""
    backend: Literal["nccl", "gloo"] | None = None
    """Way in which several processes talk: nccl on GPUs, gloo on CPUs, where it is not named."""
    weights: Path | None = None
    """A checkpoint to start from (or to --test, --testB)."""
    frozen: str | None = None
    """Parts that keep their weights, by commas: video.frames, video.text, audio.stages …; those of
    --weights, usually."""
    pretrained: str = "imagenet"
    """First weights of the encoders: for a ResNet-18 imagenet (torchvision's cache or download) or
    a file of torchvision's; for size small_dense shipped (AVTNetDense's); or none. Or a checkpoint
    of a network that differs in its head (kind) alone: all but the head starts as it is there."""
    test: bool = False
    """Train nothing: evaluate --weights on the validation windows."""
    testB: bool = False
    """Train nothing: predict the windows in features/ that labels.txt does not name with --weights,
    and write submission.csv in --save-prefix."""
    resume: bool = False
    """Go on from last.pt in the run's folder (start from the beginning if there is none)."""
    overwrite: bool = False
    """Start from the beginning even if the run's folder already holds a run."""
    late_epochs: float = 0.6
    """Keep every epoch from this share of --max-epoch on."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""

    def __post_init__(self) -> None:
        _check("--batch-size", self.batch_size, 1, 65536)
        _check("--accumulation-step", self.accumulation_step, 1, 65536)
        _check("--max-epoch", self.max_epoch, 1, 1_000_000)
        if not 0 <= self.warmup_epoch <= self.max_epoch:
            raise ValueError(
                f"--warmup-epoch is from 0 to --max-epoch, which is {self.max_epoch}; "
                f"got {self.warmup_epoch}"
            )
        _check("--num-workers", self.num_workers, 0, 256)
        _check("--processes", self.processes, 1, 256)
        if not 0 < self.lr < 10:
            raise ValueError(f"--lr is above 0 and below 10, got {self.lr}")
        for name in ("steps_loss", "song_loss"):
            if not 0 <= getattr(self, name) <= 1000:
                option = f"--{name.replace('_', '-')}"
                raise ValueError(f"{option} is from 0 to 1000, got {getattr(self, name)}")
        if not 0 <= self.late_epochs <= 1:
            raise ValueError(f"--late-epochs is a share from 0 to 1, got {self.late_epochs}")
        if self.gpus is not None and self.processes > 1:
            raise ValueError("--processes is for the CPU: with --gpus there is one per GPU")
        devices = len(self.gpu_list) or self.processes
        if self.batch_size < devices:
            raise ValueError(
                f"--batch-size {self.batch_size} is less than one for each of {devices} devices"
            )
        if (self.test or self.testB) and self.weights is None:
            raise ValueError("--test and --testB use a checkpoint: name it with --weights")
        if self.test and self.testB:
            raise ValueError("--test scores labelled windows, --testB predicts others: give one")
        if self.shards is not None and self.val_root is None:
            raise ValueError("--shards are trained on: name a folder that validates, --val-root")
        if self.shards is not None and self.song_loss:
            raise ValueError("shards do not say where songs lie: leave out --song-loss")
        if self.resume and self.overwrite:
            raise ValueError("--resume and --overwrite contradict each other")

    @property
    def frozen_parts(self) -> list[str]:
        """The parts that are frozen, one by one."""
        return [name.strip() for name in self.frozen.split(",")] if self.frozen else []

    @property
    def gpu_list(self) -> list[int]:
        """The GPUs that are named one by one; empty for none and for ``all``."""
        if self.gpus is None or self.gpus == "all":
            return []
        try:
            numbers = [int(number) for number in self.gpus.split(",")]
        except ValueError:
            raise ValueError(f"--gpus is all, 0 or 0,1: got {self.gpus!r}") from None
        if len(set(numbers)) < len(numbers) or min(numbers) < 0:
            raise ValueError(f"--gpus names each GPU once, from 0 on: got {self.gpus!r}")
        return numbers


def _check(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise ValueError(f"{name} is from {low} to {high}, got {value}")
