"""A logistic regression of the newest bar as an ONNX graph. Needs ``onnx``, which only what makes models has."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tickwire.model.schema import INPUT, OUTPUT, FeatureSchema

# Of 2021, and read by every onnxruntime that is still built.
_OPSET = 15
_IR_VERSION = 8


def logistic_graph(weights: Sequence[float], bias: float, *, schema: FeatureSchema) -> bytes:
    """Give the serialised graph: the same bytes for the same numbers.

    It answers ``sigmoid(x @ weights + bias)``, where x is the newest bar's features with 0 for those that are masked,
    and then 1 for each that is there and 0 for each that is masked.

    Raises
    ------
    ValueError
        If there are not two weights for each feature.
    """
    from onnx import TensorProto, helper

    features = len(schema.names)
    if len(weights) != 2 * features:
        raise ValueError(f"{len(weights)} weights for {features} features and their masks")
    graph = helper.make_graph(
        [
            helper.make_node("Slice", [INPUT, "first", "end", "axis"], ["newest"]),
            helper.make_node("IsNaN", ["newest"], ["masked"]),
            helper.make_node("Where", ["masked", "zero", "newest"], ["known"]),
            helper.make_node("Not", ["masked"], ["there"]),
            helper.make_node("Cast", ["there"], ["present"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["known", "present"], ["inputs"], axis=1),
            helper.make_node("MatMul", ["inputs", "weights"], ["moved"]),
            helper.make_node("Add", ["moved", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], [OUTPUT]),
        ],
        "logistic-regression",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", schema.width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows"])],
        [
            helper.make_tensor("first", TensorProto.INT64, [1], [schema.width - features]),
            helper.make_tensor("end", TensorProto.INT64, [1], [schema.width]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("weights", TensorProto.FLOAT, [2 * features], np.asarray(weights, np.float32).tolist()),
            helper.make_tensor("bias", TensorProto.FLOAT, [], [float(np.float32(bias))]),
        ],
    )
    return serialised(graph)


def serialised(graph: Any) -> bytes:
    """Give a graph as the bytes of a checked model: the same for the same graph."""
    from onnx import checker, helper

    model = helper.make_model(
        graph, producer_name="tickwire", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
