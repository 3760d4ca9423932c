"""PP-OCR's detection network, written anew for speed: the same function, up to rounding.

The file holds what PaddleOCR exported, step by step; between its convolutions half of the time
goes into reading and writing planes of numbers. Put together here are a convolution and the
affine map behind it, hard swish (four steps) and the affine map behind that, the gates of
squeeze-and-excitation, and the two transposed convolutions at the end, whose windows do not
overlap: they are convolutions of one pixel. onnxruntime does the rest. What is not found in a
graph is left as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def quick_network(model: Path) -> bytes:
    """The ONNX file of a detector as a quicker one; inputs and outputs are the same."""
    import onnx

    graph = _Graph(onnx.load(str(model)))
    for rewrite in (_fold_affine, _fold_swish, _fold_gates, _fold_head):
        rewrite(graph)
    return graph.model().SerializeToString()


class _Graph:
    """The nodes of a model in their order, and its constants by name."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import numpy_helper

        self._model = model
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.nodes: list[NodeProto] = []
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            else:
                self.nodes.append(node)
        self._shown = {output.name for output in model.graph.output}

    def model(self) -> ModelProto:
        from onnx import helper, numpy_helper

        used = {name for node in self.nodes for name in node.input}
        kept = [numpy_helper.from_array(a, n) for n, a in self.constants.items() if n in used]
        old = self._model
        graph = helper.make_graph(
            self.nodes, old.graph.name, list(old.graph.input), list(old.graph.output), kept
        )
        return helper.make_model(
            graph, opset_imports=list(old.opset_import), ir_version=old.ir_version
        )

    def constant(self, values: np.ndarray | Sequence[float]) -> str:
        """The name of a new constant, float32."""
        name = f"quick.{len(self.constants)}"
        self.constants[name] = np.asarray(values, np.float32)
        return name

    def users(self) -> dict[str, list[NodeProto]]:
        users: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                users[name].append(node)
        return users

    def makers(self) -> dict[str, NodeProto]:
        return {name: node for node in self.nodes for name in node.output}

    def chain(self, node: NodeProto, *kinds: str) -> list[NodeProto] | None:
        """The nodes of these kinds that follow one another, each the only user of the last."""
        found, users = [], self.users()
        for kind in kinds:
            following = users[node.output[0]]
            if len(following) != 1 or following[0].op_type != kind or self._is_shown(node):
                return None
            node = following[0]
            found.append(node)
        return found

    def replace(self, old: Sequence[NodeProto], new: Sequence[NodeProto]) -> None:
        """Put nodes where the last of ``old`` was: what they need has been made by then."""
        gone = {id(node) for node in old}
        place = max(i for i, node in enumerate(self.nodes) if id(node) in gone)
        behind = self.nodes[place + 1 :]
        before = [node for node in self.nodes[:place] if id(node) not in gone]
        self.nodes = [*before, *new, *behind]

    def scalar(self, node: NodeProto) -> float | None:
        """The one number among a node's two inputs."""
        sizes = [self.constants[n] for n in node.input if n in self.constants]
        return float(sizes[0].item()) if len(sizes) == 1 and sizes[0].size == 1 else None

    def array(self, node: NodeProto) -> np.ndarray:
        """The constant among a node's inputs, in double precision."""
        return next(self.constants[n] for n in node.input if n in self.constants).astype(float)

    def weights(self, conv: NodeProto) -> tuple[np.ndarray, np.ndarray]:
        """Weights and bias of a convolution, in double precision."""
        weights = self.constants[conv.input[1]].astype(float)
        bias = self.constants[conv.input[2]] if len(conv.input) > 2 else np.zeros(len(weights))
        return weights, bias.astype(float)

    def set_weights(
        self, conv: NodeProto, source: str, weights: np.ndarray, bias: np.ndarray
    ) -> None:
        inputs = [source, self.constant(weights), self.constant(bias)]
        del conv.input[:]
        conv.input.extend(inputs)

    def _is_shown(self, node: NodeProto) -> bool:
        return node.output[0] in self._shown


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], **attributes)


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    from onnx import helper

    values = (helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    return next(values, default)


def _affine(graph: _Graph, node: NodeProto) -> tuple[list[NodeProto], float, float] | None:
    """The nodes behind one that multiply by a number and add a number, and these."""
    behind = graph.chain(node, "Mul", "Add")
    if behind is None:
        return None
    factor, term = map(graph.scalar, behind)
    return None if factor is None or term is None else (behind, factor, term)


def _fold_affine(graph: _Graph) -> None:
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


def _fold_swish(graph: _Graph) -> None:
    """y * clip(y + 3, 0, 6) / 6 * a + b → y * hard sigmoid(y); a and b go to who reads it."""
    for divide in [node for node in graph.nodes if node.op_type == "Div"]:
        steps, found = _swish(graph, divide), _affine(graph, divide)
        if steps is None or found is None:
            continue
        behind, factor, term = found
        source, output = steps[0].input[0], behind[-1].output[0]
        swish = f"{output}.swish"
        new = [
            _node("HardSigmoid", [source], f"{swish}.gate", alpha=1 / 6, beta=0.5),
            _node("Mul", [source, f"{swish}.gate"], swish),
        ]
        others = []
        for user in graph.users()[output]:
            # Where a convolution pads with zeros, they would have to be -b / a here.
            if user.op_type == "Conv" and not any(_attribute(user, "pads", ())):
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
            new.append(_node("BatchNormalization", inputs, output, epsilon=0.0))
        graph.replace([*steps, divide, *behind], new)


def _swish(graph: _Graph, divide: NodeProto) -> list[NodeProto] | None:
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


def _fold_gates(graph: _Graph) -> None:
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
                more = _node("Add", [gate, graph.constant(np.ones((1, 1, 1, 1)))], f"{gate}.more")
                times = _node("Mul", [source, f"{gate}.more"], add.output[0])
                graph.replace([gated, add], [more, times])
                break


def _fold_head(graph: _Graph) -> None:
    """Two transposed convolutions 2x2 → two convolutions 1x1, and their 4x4 pixels put in place."""
    for first in [node for node in graph.nodes if node.op_type == "ConvTranspose"]:
        steps = graph.chain(
            first, "Add", "BatchNormalization", "Relu", "ConvTranspose", "Add", "Sigmoid"
        )
        if steps is None or not all(map(_doubles, (first, steps[3]))):
            continue
        shift, norm, _, second, last, end = steps
        scale, bias, mean, variance = (graph.constants[n].astype(float) for n in norm.input[1:])
        scale = scale / np.sqrt(variance + _attribute(norm, "epsilon", 1e-5))
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
            _node("Relu", [f"{name}.1"], f"{name}.2"),
            _conv(graph, f"{name}.2", places.reshape(16, -1), graph.array(last), f"{name}.3"),
            _node("Sigmoid", [f"{name}.3"], f"{name}.4"),
            _node("DepthToSpace", [f"{name}.4"], end.output[0], blocksize=4),
        ]
        graph.replace([first, *steps], new)


def _doubles(node: NodeProto) -> bool:
    """Whether a transposed convolution makes 2x2 pixels of each one, without overlap."""
    plain = not any(_attribute(node, "pads", ())) and _attribute(node, "group", 1) == 1
    square = _attribute(node, "kernel_shape", ()) == _attribute(node, "strides", ()) == [2, 2]
    return plain and square and len(node.input) == 2


def _conv(
    graph: _Graph, source: str, weights: np.ndarray, bias: np.ndarray, output: str
) -> NodeProto:
    """A convolution of one pixel: weights (out, in), bias (out,) or one number."""
    bias = np.broadcast_to(bias.reshape(-1), len(weights))
    inputs = [source, graph.constant(weights[:, :, None, None]), graph.constant(bias)]
    return _node("Conv", inputs, output, kernel_shape=[1, 1])
