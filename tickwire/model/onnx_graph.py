"""A logistic regression as an ONNX graph. Needs ``onnx``, which only what makes models has."""

from collections.abc import Sequence

import numpy as np

from tickwire.model.schema import INPUT, OUTPUT, FeatureSchema

# Of 2021, and read by every onnxruntime that is still built.
_OPSET = 15
_IR_VERSION = 8


def logistic_graph(weights: Sequence[float], bias: float, *, schema: FeatureSchema) -> bytes:
    """Give the serialised graph of ``sigmoid(rows @ weights + bias)``: the same bytes for the same numbers.

    Raises
    ------
    ValueError
        If there is not a weight for each number of a row.
    """
    from onnx import TensorProto, checker, helper

    if len(weights) != schema.width:
        raise ValueError(f"{len(weights)} weights for rows of {schema.width}")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [INPUT, "weights"], ["moved"]),
            helper.make_node("Add", ["moved", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], [OUTPUT]),
        ],
        "logistic-regression",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", schema.width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows"])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [schema.width], np.asarray(weights, np.float32).tolist()),
            helper.make_tensor("bias", TensorProto.FLOAT, [], [float(np.float32(bias))]),
        ],
    )
    model = helper.make_model(
        graph, producer_name="tickwire", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
