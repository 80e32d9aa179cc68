"""A trained network as an ONNX graph, built by hand: two LSTM operators and not the loops that converters make of them.

ONNX has the gates of an LSTM in the order input, output, forget, cell, and a bias for each of both products (ONNX
operators, "LSTM"); Keras has input, forget, cell, output, and one bias. The calibration is folded into the last layer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tickwire.model.calibration import Calibration
from tickwire.model.onnx_graph import serialised
from tickwire.model.schema import INPUT, OUTPUT, FeatureSchema

Float32 = npt.NDArray[np.float32]


def lstm_graph(weights: Sequence[Float32], calibration: Calibration, *, schema: FeatureSchema) -> bytes:
    """Give the serialised graph: the same bytes for the same numbers.

    Parameters
    ----------
    weights : as :meth:`tickwire.model.network.FittedLstm.weights` gives them

    Raises
    ------
    ValueError
        If there are not ten arrays, or the first is not for rows of the schema.
    """
    from onnx import TensorProto, helper, numpy_helper

    features = len(schema.names)
    if len(weights) != 10 or weights[0].shape[0] != 2 * features:
        raise ValueError(f"{len(weights)} arrays, the first of {weights[0].shape}, for {features} features a bar")
    first, second, (hidden, hidden_bias, last, last_bias) = weights[:3], weights[3:6], weights[6:]
    constants = {
        **_lstm_constants("first", first),
        **_lstm_constants("second", second),
        "hidden_weights": hidden,
        "hidden_bias": hidden_bias,
        "last_weights": calibration.slope * last.astype(np.float64),
        "last_bias": calibration.slope * last_bias.astype(np.float64) + calibration.intercept,
        "zero": np.zeros(()),
    }
    shapes = {"bars_shape": [-1, schema.window, features], "flat_shape": [-1], "direction": [1], "directions": [0]}
    nodes = [
        helper.make_node("Reshape", [INPUT, "bars_shape"], ["bars"]),
        helper.make_node("IsNaN", ["bars"], ["masked"]),
        helper.make_node("Where", ["masked", "zero", "bars"], ["known"]),
        helper.make_node("Not", ["masked"], ["there"]),
        helper.make_node("Cast", ["there"], ["present"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["known", "present"], ["inputs"], axis=2),
        # An LSTM has its steps first, and a direction before the rows.
        helper.make_node("Transpose", ["inputs"], ["steps"], perm=[1, 0, 2]),
        _lstm_node("first", "steps", ["first_all"], first),
        helper.make_node("Squeeze", ["first_all", "direction"], ["first_steps"]),
        _lstm_node("second", "first_steps", ["", "second_last"], second),
        helper.make_node("Squeeze", ["second_last", "directions"], ["state"]),
        helper.make_node("Gemm", ["state", "hidden_weights", "hidden_bias"], ["dense"]),
        helper.make_node("Relu", ["dense"], ["rectified"]),
        helper.make_node("Gemm", ["rectified", "last_weights", "last_bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probabilities"]),
        helper.make_node("Reshape", ["probabilities", "flat_shape"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "lstm",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", schema.width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows"])],
        [
            *(numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in constants.items()),
            *(numpy_helper.from_array(np.array(shape, np.int64), name) for name, shape in shapes.items()),
        ],
    )
    return serialised(graph)


def _lstm_constants(name: str, weights: Sequence[Float32]) -> dict[str, Float32]:
    kernel, recurrent, bias = (_gates(array) for array in weights)
    both = np.concatenate([bias, np.zeros_like(bias)])
    # Of one direction each.
    return {f"{name}_w": kernel.T[None], f"{name}_r": recurrent.T[None], f"{name}_b": both[None]}


def _gates(array: Float32) -> Float32:
    """Put the gates of the last axis into ONNX's order."""
    entry, forget, cell, output = np.split(array, 4, axis=-1)
    ordered: Float32 = np.concatenate([entry, output, forget, cell], axis=-1)
    return ordered


def _lstm_node(name: str, steps: str, outputs: list[str], weights: Sequence[Float32]) -> Any:
    from onnx import helper

    inputs = [steps, *(f"{name}_{part}" for part in "wrb")]
    return helper.make_node("LSTM", inputs, outputs, hidden_size=weights[1].shape[0])
