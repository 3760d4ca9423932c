"""PP-OCR's detection network, rewritten for speed: the same function, up to rounding.

``python -m preprocess.text.network -o models/….onnx`` writes the file that is shipped; nothing else
imports this module, which needs the package ``onnx``.

The file holds what PaddleOCR exported, step by step; between its convolutions half of the time
goes into reading and writing planes of numbers. Put together here are a convolution and the
affine map behind it, hard swish (four steps) and the affine map behind that, the gates of
squeeze-and-excitation, and the two transposed convolutions at the end, whose windows do not
overlap: they are convolutions of one pixel. What is enlarged only to be convolved is convolved
before, with a fourth of the pixels. onnxruntime does the rest. What is not found in a graph is
left as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipping.config import parse, run
from clipping.errors import ConfigError
from clipping.extra import extra_imports
from clipping.files import atomic_path, require_output
from preprocess.text.onnx_graph import Graph, attribute, make_node
from preprocess.text.rapidocr_files import DETECTOR, find_model

if TYPE_CHECKING:
    from onnx import NodeProto


PROG = "python -m preprocess.text.network"


@dataclass(frozen=True)
class QuickNetworkConfig:
    """Rewrite PP-OCR's detection network for speed, as the file that comes with the package."""

    model: tuple[str, ...] = field(
        default=(), metadata={"help": "PaddleOCR's export; none: the one in the installed rapidocr"}
    )
    output: Path = Path("quick.onnx")
    """The file to write."""

    def __post_init__(self) -> None:
        if len(self.model) > 1:
            raise ConfigError(f"one file is rewritten, got {' '.join(self.model)}")


def quick_network(model: Path) -> bytes:
    """The ONNX file of a detector as a quicker one; inputs and outputs are the same.

    Raises:
        ExtraMissing: where ``onnx`` is not installed.
    """
    with extra_imports():
        import onnx

    graph = Graph(onnx.load(str(model)))
    for rewrite in (_fold_affine, _fold_swish, _fold_gates, _fold_levels, _fold_top, _fold_head):
        rewrite(graph)
    return graph.model().SerializeToString()


def _affine(graph: Graph, node: NodeProto) -> tuple[list[NodeProto], float, float] | None:
    """The nodes behind one that multiply by a number and add a number, and these."""
    behind = graph.chain(node, "Mul", "Add")
    if behind is None:
        return None
    factor, term = map(graph.scalar, behind)
    return None if factor is None or term is None else (behind, factor, term)


def _fold_affine(graph: Graph) -> None:
    """conv(x) * a + b → a convolution."""
    for conv in [node for node in graph.nodes if node.op_type == "Conv"]:
        if (found := _affine(graph, conv)) is None:
            continue
        behind, factor, term = found
        weights, bias = graph.weights(conv)
        graph.set_weights(conv, conv.input[0], weights * factor, bias * factor + term)
        output = behind[-1].output[0]
        graph.replace([conv, *behind], [conv])
        conv.output[0] = output


def _fold_swish(graph: Graph) -> None:
    """y * clip(y + 3, 0, 6) / 6 * a + b → y * hard sigmoid(y); a and b go into the next node."""
    for divide in [node for node in graph.nodes if node.op_type == "Div"]:
        steps, found = _swish(graph, divide), _affine(graph, divide)
        if steps is None or found is None:
            continue
        behind, factor, term = found
        source, output = steps[0].input[0], behind[-1].output[0]
        swish = f"{output}.swish"
        new = [
            make_node("HardSigmoid", [source], f"{swish}.gate", alpha=1 / 6, beta=0.5),
            make_node("Mul", [source, f"{swish}.gate"], swish),
        ]
        others = []
        for user in graph.users()[output]:
            # Where a convolution pads with zeros, they would have to be -b / a here.
            if user.op_type == "Conv" and not any(attribute(user, "pads", ())):
                weights, bias = graph.weights(user)
                bias += term * weights.sum((1, 2, 3))
                graph.set_weights(user, swish, weights * factor, bias)
            else:
                others.append(user)
        if others:
            # As a batch norm: onnxruntime keeps its own layout of planes through it.
            count = len(graph.weights(graph.makers()[source])[0])
            values = (np.full(count, v) for v in (factor, term, 0.0, 1.0))
            inputs = [swish, *map(graph.constant, values)]
            new.append(make_node("BatchNormalization", inputs, output, epsilon=0.0))
        graph.replace([*steps, divide, *behind], new)


def _swish(graph: Graph, divide: NodeProto) -> list[NodeProto] | None:
    """Add, Clip, Mul in front of a division, if they are a hard swish of a convolution."""
    makers = graph.makers()
    product = makers.get(divide.input[0])
    if product is None or product.op_type != "Mul" or graph.scalar(divide) != 6:
        return None
    for source, clipped in (tuple(product.input), tuple(product.input)[::-1]):
        clip, conv = makers.get(clipped), makers.get(source)
        if clip is None or clip.op_type != "Clip" or conv is None or conv.op_type != "Conv":
            continue
        add = makers.get(clip.input[0])
        bounds = [graph.constants.get(name) for name in clip.input[1:]]
        if add is None or source not in add.input or graph.scalar(add) != 3 or bounds != [0, 6]:
            continue
        if graph.chain(add, "Clip", "Mul", "Div") == [clip, product, divide]:
            add.input[0], add.input[1] = source, next(n for n in add.input if n != source)
            return [add, clip, product]
    return None


def _fold_gates(graph: Graph) -> None:
    """x + x * gate → x * (1 + gate): the sum is over a number a plane, not over all of it."""
    makers = graph.makers()
    for add in [node for node in graph.nodes if node.op_type == "Add"]:
        for source, product in (tuple(add.input), tuple(add.input)[::-1]):
            gated = makers.get(product)
            if gated is None or gated.op_type != "Mul" or source not in gated.input:
                continue
            if not graph.chain(gated, "Add"):
                continue
            gate = next(name for name in gated.input if name != source)
            if gate in makers and makers[gate].op_type == "HardSigmoid":
                more = make_node(
                    "Add", [gate, graph.constant(np.ones((1, 1, 1, 1)))], f"{gate}.more"
                )
                times = make_node("Mul", [source, f"{gate}.more"], add.output[0])
                graph.replace([gated, add], [more, times])
                break


def _fold_levels(graph: Graph) -> None:
    """conv(planes, some of them enlarged) → conv(the others) + what :func:`_enlarged` makes."""
    makers = graph.makers()
    for conv in [node for node in graph.nodes if _is_3x3(node)]:
        concat = makers.get(conv.input[0])
        if concat is None or concat.op_type != "Concat" or not graph.chain(concat, "Conv"):
            continue
        weights, bias = graph.weights(conv)
        parts = [(_enlargement(graph, name), name) for name in concat.input]
        sizes = {factor for factor, _ in parts}
        counts = [_planes(graph, name, makers) for _, name in parts]
        if len(sizes) == 1 or 1 not in sizes or attribute(concat, "axis", 0) != 1 or 0 in counts:
            continue
        name, place, low, high = f"{conv.output[0]}.level", 0, [], []
        new: list[NodeProto] = []
        kernels: dict[bool, list[np.ndarray]] = {True: [], False: []}
        for (factor, source), count in zip(parts, counts, strict=True):
            kernels[factor > 1].append(weights[:, place : place + count])
            place += count
            if factor > 2:
                # Nearest neighbours: enlarged by 8 is enlarged by 4 and then by 2.
                scales = graph.constant([1, 1, factor / 2, factor / 2])
                resize = makers[source]
                half = f"{name}.{place}"
                new.append(make_node("Resize", [*resize.input[:2], scales], half, **_like(resize)))
                low.append(half)
            elif factor == 2:
                low.append(makers[source].input[0])
            else:
                high.append(source)
        new.append(make_node("Concat", low, f"{name}.low", axis=1))
        if len(high) > 1:
            new.append(make_node("Concat", high, f"{name}.high", axis=1))
            high = [f"{name}.high"]
        new += _enlarged(graph, f"{name}.low", np.concatenate(kernels[True], 1), f"{name}.1")
        inputs = [high[0], graph.constant(np.concatenate(kernels[False], 1)), graph.constant(bias)]
        new.append(make_node("Conv", inputs, f"{name}.2", kernel_shape=[3, 3], pads=[1] * 4))
        new.append(make_node("Add", [f"{name}.1", f"{name}.2"], conv.output[0]))
        old = [makers[source] for factor, source in parts if factor > 1]
        graph.replace([*old, concat, conv], new)


def _fold_top(graph: Graph) -> None:
    """conv(gate * (W x) + enlarged p) → (conv * gate * W)(x) + what :func:`_enlarged` makes of p.

    W makes many planes of few; the convolution over these few has weights that depend on the gate.
    """
    makers, users = graph.makers(), graph.users()
    for conv in [node for node in graph.nodes if _is_3x3(node)]:
        add = makers.get(conv.input[0])
        if add is None or add.op_type != "Add" or not graph.chain(add, "Conv"):
            continue
        gated, resize = makers.get(add.input[0]), makers.get(add.input[1])
        if gated is None or not graph.chain(gated, "Add") or _enlargement(graph, add.input[1]) != 2:
            continue
        wide = makers.get(gated.input[0])
        if gated.op_type != "Mul" or wide is None or resize is None or graph.is_shown(wide):
            continue
        if wide.op_type != "Conv" or len(wide.input) != 2:
            continue
        mix = graph.constants[wide.input[1]].astype(float)  # (many, few, 1, 1)
        readers = users[wide.output[0]]
        if [node.op_type for node in readers] != ["GlobalAveragePool", "Mul"] or (
            mix.shape[1] * 4 > mix.shape[0] or mix.shape[2:] != (1, 1)
        ):
            continue
        weights, bias = graph.weights(conv)
        out, many = weights.shape[:2]
        source, name = wide.input[0], f"{conv.output[0]}.top"
        # The mean of what W makes is what W makes of the mean.
        mean = [
            make_node("GlobalAveragePool", [source], f"{name}.mean"),
            make_node("Conv", [f"{name}.mean", wide.input[1]], readers[0].output[0]),
        ]
        graph.replace([readers[0]], mean)
        rows = graph.constant(weights.transpose(0, 2, 3, 1).reshape(-1, many))
        shape, column = (
            graph.constant_of(np.array(values, np.int64))
            for values in ((out, 3, 3, mix.shape[1]), (many, 1))
        )
        inputs = [source, f"{name}.weights", graph.constant(bias)]
        new = [
            make_node("Reshape", [gated.input[1], column], f"{name}.gate"),
            make_node("Mul", [f"{name}.gate", graph.constant(mix[:, :, 0, 0])], f"{name}.mix"),
            make_node("MatMul", [rows, f"{name}.mix"], f"{name}.rows"),
            make_node("Reshape", [f"{name}.rows", shape], f"{name}.taps"),
            make_node("Transpose", [f"{name}.taps"], f"{name}.weights", perm=[0, 3, 1, 2]),
            make_node("Conv", inputs, f"{name}.1", kernel_shape=[3, 3], pads=[1] * 4),
            *_enlarged(graph, resize.input[0], weights, f"{name}.2"),
            make_node("Add", [f"{name}.1", f"{name}.2"], conv.output[0]),
        ]
        graph.replace([wide, gated, resize, add, conv], new)


def _enlarged(graph: Graph, source: str, weights: np.ndarray, output: str) -> list[NodeProto]:
    """Return nodes equal to enlarging planes by 2, then a 3x3 convolution, but cheaper.

    Each small pixel becomes four equal ones, so the 3x3 window around each of the four covers only
    2x2 small pixels. The weights that fall on the same small pixel are added up beforehand, which
    leaves a 2x2 convolution for each of the four.
    """
    # Which of three neighbours in the large plane lie in the first and the second small pixel.
    rows = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
    nodes = []
    for down in (0, 1):
        for across in (0, 1):
            taps = np.einsum("au,bv,oiuv->oiab", rows[down], rows[across], weights)
            pads = [1 - down, 1 - across, down, across]
            inputs = [source, graph.constant(taps)]
            name = f"{output}.{down}{across}"
            nodes.append(make_node("Conv", inputs, name, kernel_shape=[2, 2], pads=pads))
    nodes.append(make_node("Concat", [node.output[0] for node in nodes], f"{output}.all", axis=1))
    return [*nodes, make_node("DepthToSpace", [f"{output}.all"], output, blocksize=2)]


def _enlargement(graph: Graph, name: str) -> int:
    """Return the factor of a nearest-neighbour enlargement of an even number of planes; 1: none."""
    resize = graph.makers().get(name)
    if resize is None or resize.op_type != "Resize" or len(resize.input) != 3:
        return 1
    if len(graph.users()[name]) != 1 or graph.is_shown(resize):
        return 1
    scales = graph.constants.get(resize.input[2], np.zeros(0)).tolist()
    how = {"mode": b"nearest", "coordinate_transformation_mode": b"asymmetric"}
    how["nearest_mode"] = b"floor"
    plain = all(attribute(resize, key, None) == value for key, value in how.items())
    known = [[1, 1, factor, factor] for factor in (2, 4, 8)]
    return int(scales[2]) if plain and scales in known else 1


def _like(node: NodeProto) -> dict[str, Any]:
    return {each.name: attribute(node, each.name, None) for each in node.attribute}


def _planes(graph: Graph, name: str, makers: dict[str, NodeProto]) -> int:
    """Return the number of planes of a tensor; 0: not known."""
    while (node := makers.get(name)) is not None and node.op_type in ("Resize", "Mul", "Add"):
        name = node.input[0]
    return len(graph.weights(node)[0]) if node is not None and node.op_type == "Conv" else 0


def _is_3x3(node: NodeProto) -> bool:
    """Return True for a plain 3x3 convolution that keeps the size of planes."""
    return (
        node.op_type == "Conv"
        and attribute(node, "kernel_shape", ()) == [3, 3]
        and attribute(node, "pads", ()) == [1] * 4
        and attribute(node, "strides", [1, 1]) == [1, 1]
        and attribute(node, "dilations", [1, 1]) == [1, 1]
        and attribute(node, "group", 1) == 1
    )


def _fold_head(graph: Graph) -> None:
    """Two transposed convolutions 2x2 → two convolutions 1x1, and their 4x4 pixels put in place."""
    for first in [node for node in graph.nodes if node.op_type == "ConvTranspose"]:
        steps = graph.chain(
            first, "Add", "BatchNormalization", "Relu", "ConvTranspose", "Add", "Sigmoid"
        )
        if steps is None or not all(map(_doubles, (first, steps[3]))):
            continue
        shift, norm, _, second, last, end = steps
        scale, bias, mean, variance = (graph.constants[n].astype(float) for n in norm.input[1:])
        scale = scale / np.sqrt(variance + attribute(norm, "epsilon", 1e-5))
        inner = graph.array(first)  # (in, middle, 2, 2)
        outer = graph.array(second)  # (middle, 1, 2, 2)
        middle = inner.shape[1]
        # Channels of the middle: place (i, j) of 2x2, then plane.
        weights = (inner * scale[:, None, None]).transpose(2, 3, 1, 0).reshape(4 * middle, -1)
        biases = np.tile((graph.array(shift).reshape(-1) - mean) * scale + bias, 4)
        # Channels of the result: row 2 i + k, column 2 j + l of 4x4.
        places = np.einsum("ia,jb,mkl->ikjlabm", np.eye(2), np.eye(2), outer[:, 0])
        name = first.output[0]
        new = [
            _conv(graph, first.input[0], weights, biases, f"{name}.1"),
            make_node("Relu", [f"{name}.1"], f"{name}.2"),
            _conv(graph, f"{name}.2", places.reshape(16, -1), graph.array(last), f"{name}.3"),
            make_node("Sigmoid", [f"{name}.3"], f"{name}.4"),
            make_node("DepthToSpace", [f"{name}.4"], end.output[0], blocksize=4),
        ]
        graph.replace([first, *steps], new)


def _doubles(node: NodeProto) -> bool:
    """Return True if a transposed convolution makes 2x2 pixels of each one, without overlap."""
    plain = not any(attribute(node, "pads", ())) and attribute(node, "group", 1) == 1
    square = attribute(node, "kernel_shape", ()) == attribute(node, "strides", ()) == [2, 2]
    return plain and square and len(node.input) == 2


def _conv(
    graph: Graph, source: str, weights: np.ndarray, bias: np.ndarray, output: str
) -> NodeProto:
    """A convolution of one pixel: weights (out, in), bias (out,) or one number."""
    bias = np.broadcast_to(bias.reshape(-1), len(weights))
    inputs = [source, graph.constant(weights[:, :, None, None]), graph.constant(bias)]
    return make_node("Conv", inputs, output, kernel_shape=[1, 1])


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m preprocess.text.network``."""
    config = parse(QuickNetworkConfig, argv, prog=PROG, positional="model")

    def command() -> None:
        require_output(config.output)
        quick = quick_network(Path(config.model[0]) if config.model else find_model(DETECTOR))
        with atomic_path(config.output) as temporary:
            temporary.write_bytes(quick)
        print(f"written: {config.output} ({len(quick) / 1e6:.1f} MB)")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())
