"""An ONNX graph that can be changed and written: its nodes in order, its constants by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


class Graph:
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
        return self.constant_of(np.asarray(values, np.float32))

    def constant_of(self, values: np.ndarray) -> str:
        """The same of any type."""
        name = f"quick.{len(self.constants)}"
        self.constants[name] = values
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
            if len(following) != 1 or following[0].op_type != kind or self.is_shown(node):
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

    def is_shown(self, node: NodeProto) -> bool:
        """Return True if the output of a node is an output of the graph."""
        return node.output[0] in self._shown


def make_node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], **attributes)


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    from onnx import helper

    values = (helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    return next(values, default)
