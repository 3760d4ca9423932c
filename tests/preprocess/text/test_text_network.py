"""The rewritten network of the detector computes what the exported one does."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from clipping.onnx_session import open_session
from preprocess.text.network import main, quick_network
from preprocess.text.ppocr import MODEL
from preprocess.text.rapidocr_files import DETECTOR, find_model

RNG = np.random.default_rng(5)


def kinds(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_model_from_string(model).graph.node)


def last(model: bytes) -> str:
    """The kind of the node that ends it."""
    return str(onnx.load_model_from_string(model).graph.node[-1].op_type)


def compare(model: Path, shape: tuple[int, ...]) -> bytes:
    """The quick network, after it gave the same numbers for the same picture."""
    quick = quick_network(model)
    picture = RNG.standard_normal(shape).astype(np.float32)
    for old, new in zip(
        *(open_session(m).run(None, {"x": picture}) for m in (model, quick)), strict=True
    ):
        assert new.shape == old.shape
        assert np.abs(new - old).max() < 2e-6 * max(5, np.abs(old).max())
    return quick


@pytest.mark.parametrize("size", [(352, 640), (32, 32), (224, 96)])
def test_the_detector_gives_the_same_probabilities(size):
    left = kinds(compare(find_model(DETECTOR), (1, 3, *size)))
    assert left["DepthToSpace"] == 3
    assert not left & Counter(Div=1, Clip=1, ConvTranspose=1)
    before = kinds(find_model(DETECTOR).read_bytes())
    del before["Constant"]
    assert left.total() < 0.65 * before.total()


def test_the_shipped_file_is_made_again(tmp_path):
    """Of the same operators, in the same order, with the same numbers; and README.txt says so."""
    assert main(["-o", str(tmp_path / "again.onnx")]) == 0
    mine, again = (onnx.load(path) for path in (MODEL, tmp_path / "again.onnx"))
    assert [str(node) for node in again.graph.node] == [str(node) for node in mine.graph.node]
    for one, other in zip(again.graph.initializer, mine.graph.initializer, strict=True):
        assert one.name == other.name
        assert np.array_equal(numpy_helper.to_array(one), numpy_helper.to_array(other))
    told = (MODEL.parent / "README.txt").read_text()
    assert hashlib.sha256(find_model(DETECTOR).read_bytes()).hexdigest() in told


def make(path: Path, *steps: tuple, shown: tuple[str, ...] = ()) -> Path:
    """A small network: (kind, inputs, output, attributes); arrays among the inputs are weights."""
    nodes, weights = [], []
    for kind, inputs, output, *attributes in steps:
        names = []
        for value in inputs:
            if not isinstance(value, str):
                weights.append(numpy_helper.from_array(np.float32(value), f"w{len(weights)}"))
                value = weights[-1].name
            names.append(value)
        nodes.append(helper.make_node(kind, names, [output], **dict(*attributes)))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in (steps[-1][2], *shown)
    ]
    start = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, None, None])
    graph = helper.make_graph(nodes, "small", [start], ends, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def conv(source: str, output: str, *, kernel: int = 1, bias: bool = True) -> tuple:
    weights = [RNG.standard_normal((8, 8, kernel, kernel))]
    weights += [RNG.standard_normal(8)] if bias else []
    attributes = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4}
    return ("Conv", [source, *weights], output, attributes)


def swish(source: str, *, shift: float = 3, top: float = 6, by: float = 6) -> list[tuple]:
    return [
        ("Add", [source, shift], "moved"),
        ("Clip", ["moved", 0, top], "clipped"),
        ("Mul", [source, "clipped"], "product"),
        ("Div", ["product", by], "swish"),
        ("Mul", [[0.7], "swish"], "scaled"),
        ("Add", ["scaled", [-0.4]], "activated"),
    ]


def gate(factor: str) -> list[tuple]:
    return [
        ("GlobalAveragePool", ["a"], "mean"),
        conv("mean", "one"),
        ("HardSigmoid", ["one"], "gate", {"alpha": 0.2}),
        ("Mul", ["a", "gate"], "gated"),
        ("Add", [factor, "gated"], "out"),
    ]


def doubled(source: str, output: str, planes: int, stride: int = 2) -> tuple:
    shape = {"kernel_shape": [2, 2], "strides": [stride] * 2}
    return ("ConvTranspose", [source, RNG.standard_normal((8, planes, 2, 2))], output, shape)


def head(stride: int = 2) -> list[tuple]:
    norm = [RNG.standard_normal(8), RNG.standard_normal(8), RNG.standard_normal(8), np.ones(8) / 3]
    return [
        doubled("x", "a", 8, stride),
        ("Add", ["a", RNG.standard_normal((1, 8, 1, 1))], "b"),
        ("BatchNormalization", ["b", *norm], "c", {"epsilon": 0.01}),
        ("Relu", ["c"], "d"),
        doubled("d", "e", 1),
        ("Add", ["e", RNG.standard_normal((1, 1, 1, 1))], "f"),
        ("Sigmoid", ["f"], "g"),
    ]


def enlarged(source: str, output: str, times: int) -> tuple:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    scales = [1, 1, times, times]
    return ("Resize", [source, [], scales], output, {**how, "nearest_mode": "floor"})


def levels(*times: int, how: dict | None = None) -> list[tuple]:
    """Planes of several sizes, made one size, and convolved together."""
    names = [f"l{number}" for number in range(len(times))]
    pools = [
        ("AveragePool", ["x"], f"{name}.small", {"kernel_shape": [t] * 2, "strides": [t] * 2})
        for name, t in zip(names, times, strict=True)
    ]
    convs = [conv(f"{name}.small", f"{name}.same", kernel=3) for name in names]
    resizes = [enlarged(f"{name}.same", name, t) for name, t in zip(names, times, strict=True)]
    if how:
        resizes = [(*step[:3], {**step[3], **how}) for step in resizes]
    weights = RNG.standard_normal((8, 8 * len(times) + 8, 3, 3))
    end = {"kernel_shape": [3, 3], "pads": [1] * 4}
    return [
        *pools,
        *convs,
        *resizes,
        conv("x", "high"),
        ("Concat", [*names[:1], "high", *names[1:]], "all", {"axis": 1}),
        ("Conv", ["all", weights, RNG.standard_normal(8)], "out", end),
    ]


def top(*, few: int = 2, times: int = 2, bias: bool = False) -> list[tuple]:
    """Few planes made many, gated; enlarged ones added; convolved."""
    mix = [RNG.standard_normal((8, few, 1, 1)), *([np.ones(8)] if bias else [])]
    half = {"kernel_shape": [times] * 2, "strides": [times] * 2}
    return [
        ("Conv", ["x", RNG.standard_normal((few, 8, 1, 1))], "few", {"kernel_shape": [1, 1]}),
        ("Conv", ["few", *mix], "a", {"kernel_shape": [1, 1]}),
        *gate("a")[:-1],
        ("Add", ["a", "gated"], "wide"),
        ("AveragePool", ["x"], "small", half),
        enlarged("small", "large", times),
        ("Add", ["wide", "large"], "sum"),
        conv("sum", "out", kernel=3),
    ]


AFFINE = [conv("x", "y"), ("Mul", [[1.5], "y"], "z"), ("Add", ["z", [0.3]], "out")]

TAIL = [("Mul", ["end", [1.5]], "out.1"), ("Add", [[0.3], "out.1"], "out")]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (AFFINE, {"Conv": 1}),
        ([conv("x", "y", bias=False), *AFFINE[1:]], {"Conv": 1}),
        (
            [conv("x", "y"), *swish("y"), conv("activated", "end"), *TAIL],
            {"Conv": 2, "HardSigmoid": 1, "Mul": 1, "Add": 0},
        ),
        (
            [
                *(conv("x", "y"), *swish("y")),
                *(conv("activated", "end", kernel=3, bias=False), *TAIL),
            ],
            {"Conv": 2, "HardSigmoid": 1, "Mul": 1, "BatchNormalization": 1, "Add": 0},
        ),
        ([conv("x", "a"), *gate("a")], {"Conv": 2, "Mul": 1, "Add": 1}),
        (levels(2), {"Conv": 7, "Resize": 0, "Concat": 2, "DepthToSpace": 1}),
        (levels(8, 2, 4), {"Conv": 9, "Resize": 2, "Concat": 2, "DepthToSpace": 1}),
        (top(), {"Conv": 8, "MatMul": 1, "Resize": 0, "DepthToSpace": 1}),
        (head(), {"Conv": 2, "Relu": 1, "Sigmoid": 1, "DepthToSpace": 1}),
    ],
)
def test_what_belongs_together_is_put_together(tmp_path, steps, left):
    model = make(tmp_path / "model.onnx", *steps)
    quick = compare(model, (1, 8, 16, 24))
    found = kinds(quick)
    assert {kind: found[kind] for kind in left} == left
    assert found.total() != len(steps) or last(quick) != last(model.read_bytes())


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (top(few=4), ()),
        (top(bias=True), ()),
        (top(times=3), ()),
        (top(times=4), ()),
        (top(), ("a",)),
        (top(), ("wide",)),
        (top(), ("sum",)),
    ],
)
def test_planes_that_do_not_save_work_are_made_as_before(tmp_path, steps, shown):
    model = make(tmp_path / "model.onnx", *steps, shown=shown)
    quick = kinds(compare(model, (1, 8, 12, 24)))
    assert quick["Resize"] == 1
    assert not quick["MatMul"]


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ([conv("x", "y"), ("Mul", [RNG.standard_normal((1, 8, 1, 1)), "y"], "z"), AFFINE[2]], ()),
        (AFFINE, ("y",)),
        (AFFINE, ("z",)),
        ([conv("x", "y"), *swish("y", shift=2)], ()),
        ([conv("x", "y"), *swish("y", top=5)], ()),
        ([conv("x", "y"), *swish("y", by=5)], ()),
        ([conv("x", "y"), *swish("y")], ("clipped",)),
        (swish("x"), ()),
        ([conv("x", "a"), conv("x", "b"), *gate("b")], ()),
        ([conv("x", "a"), *gate("a")], ("gated",)),
        (head(stride=1), ()),
        (levels(3), ()),
        (levels(2, how={"nearest_mode": "ceil"}), ()),
        (levels(2), ("l0",)),
        (levels(2), ("all",)),
        (head(), ("b",)),
    ],
)
def test_what_only_looks_like_it_stays(tmp_path, steps, shown):
    model = make(tmp_path / "model.onnx", *steps, shown=shown)
    assert kinds(compare(model, (1, 8, 12, 24))) == kinds(model.read_bytes())
