"""The network: two LSTM layers over the 60 bars of a row, in Keras on TensorFlow (the extra ``train``).

LSTM 128 → dropout 0.2 → LSTM 64 → dense 32, ReLU → dense 1, sigmoid. A step has the 16 features of a bar, 0 where they
are masked, and for each whether it is there. Sources: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory (1997);
D. Kingma and J. Ba, Adam (2015).
"""

import logging
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.model.calibration import Calibration, calibrated
from tickwire.model.export import lstm_graph
from tickwire.model.features import SCHEMA
from tickwire.model.rows import LabelledRows

Float32 = npt.NDArray[np.float32]

_PREDICTED_TOGETHER = 2_048
_PROGRESS_SECONDS = 10.0
# A rare bar may pull hard; its gradient is cut to this length.
_CLIP_NORM = 1.0
_LOGGER = logging.getLogger("tickwire.model")


class MissingTensorFlow(TickwireError, ImportError):
    """Keras or TensorFlow is not installed."""


@dataclass(frozen=True, slots=True)
class LstmEstimator:
    """How the network is made and learns.

    The same rows and seed give the same model on the same processor; on another one sums may be in another order.

    Attributes
    ----------
    units : of the two LSTM layers
    dense : units of the layer behind them
    dropout : share of what is between the LSTM layers that is left out at random in each step of learning
    epochs : at most so many times through the rows
    patience : learning ends when the log loss on ``validate`` has not fallen for so many epochs; the best one is kept
    batch : rows in each step of learning
    learning_rate : of Adam
    stride : each epoch takes one row of so many, other ones in the next; neighbouring rows have 59 bars in common
    seed : of the first weights, the order of rows and the dropout
    """

    units: tuple[int, int] = (128, 64)
    dense: int = 32
    dropout: float = 0.2
    epochs: int = 20
    patience: int = 3
    batch: int = 256
    learning_rate: float = 1e-3
    stride: int = 1
    seed: int = 1
    name: str = "lstm"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedLstm":
        """Learn from ``learn`` until ``validate`` says that it is enough, and calibrate on ``validate``.

        Raises
        ------
        MissingTensorFlow
            If the packages are not installed.
        """
        keras = load_keras()
        keras.utils.set_random_seed(self.seed)
        model, logit = _network(self, keras)
        stop = keras.callbacks.EarlyStopping("val_loss", patience=self.patience, restore_best_weights=True)
        order = np.random.default_rng(self.seed)
        history = model.fit(
            _batches(learn, keras, batch=self.batch, stride=self.stride, order=order),
            validation_data=_batches(validate, keras, batch=_PREDICTED_TOGETHER),
            epochs=self.epochs,
            callbacks=[stop, _progress(keras, self.epochs)],
            verbose=0,
        ).history
        best = int(np.argmin(history["val_loss"]))
        raw = _logits(logit, validate, keras)
        return FittedLstm(logit, calibrated(raw, validate.label), best + 1, {n: v[best] for n, v in history.items()})


@dataclass(frozen=True, slots=True, eq=False)
class FittedLstm:
    """A network that has learnt.

    Attributes
    ----------
    logit : the Keras model up to its logit, float32 (n, 960) to float32 (n, 1)
    calibration : of the logit
    epochs : times through the rows that were the best
    history : losses and metrics of the last of them, by Keras's names
    """

    logit: Any
    calibration: Calibration
    epochs: int
    history: dict[str, float]

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        return self.calibration(_logits(self.logit, rows, load_keras()))

    def graph(self) -> bytes:
        """Give it as an ONNX graph that answers with calibrated probabilities."""
        return lstm_graph(self.weights(), self.calibration, schema=SCHEMA)

    def weights(self) -> list[Float32]:
        """Give the arrays of both LSTM layers (kernel, recurrent kernel, bias) and of both dense ones (kernel, bias),
        in Keras's layout."""
        return [np.asarray(array, np.float32) for array in self.logit.get_weights()]


def load_keras() -> Any:
    """Import Keras on TensorFlow, quietly, and give it.

    Raises
    ------
    MissingTensorFlow
        If one of the two is not installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN adds in an order of its own, which differs between processors.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # A graphics card gains nothing on a network of this size, and its LSTM is another.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        import keras
        import tensorflow
    except ImportError as error:
        raise MissingTensorFlow(
            "the network needs Keras and TensorFlow: pip install 'tickwire[train]' (or make setup-dev)"
        ) from error
    tensorflow.config.experimental.enable_op_determinism()
    return keras


def _network(estimator: LstmEstimator, keras: Any) -> tuple[Any, Any]:
    """Give the compiled model from a row to a probability, and the one up to the logit, with the same weights."""
    layers, ops = keras.layers, keras.ops
    row = keras.Input((SCHEMA.width,))
    bars = layers.Reshape((SCHEMA.window, len(SCHEMA.names)))(row)
    masked = ops.isnan(bars)
    steps = ops.concatenate([ops.where(masked, 0.0, bars), ops.cast(ops.logical_not(masked), "float32")], axis=-1)
    first, second = estimator.units
    hidden = layers.LSTM(first, return_sequences=True)(steps)
    hidden = layers.Dropout(estimator.dropout)(hidden)
    hidden = layers.LSTM(second)(hidden)
    hidden = layers.Dense(estimator.dense, activation="relu")(hidden)
    logit = layers.Dense(1)(hidden)
    model = keras.Model(row, layers.Activation("sigmoid")(logit))
    model.compile(
        keras.optimizers.Adam(estimator.learning_rate, clipnorm=_CLIP_NORM),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")],
        # XLA takes minutes to compile the loops over 60 steps, and they are then slower.
        jit_compile=False,
    )
    return model, keras.Model(row, logit)


def _logits(logit: Any, rows: LabelledRows, keras: Any) -> Float64:
    raw: Float32 = logit.predict(_batches(rows, keras, batch=_PREDICTED_TOGETHER), verbose=0)
    return raw[:, 0].astype(np.float64)


def _batches(
    rows: LabelledRows, keras: Any, *, batch: int, stride: int = 1, order: np.random.Generator | None = None
) -> Any:
    """Give rows as Keras takes them, made batch by batch: all windows together would be 60 times the bars.

    With ``order`` they are shuffled anew for each epoch.
    """

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._epoch = 0
            self.on_epoch_end()

        def __len__(self) -> int:
            return math.ceil(len(self._places) / batch)

        def __getitem__(self, number: int) -> tuple[Float32, Float32]:
            some = rows.take(self._places[number * batch : (number + 1) * batch])
            return some.windows(), some.label.astype(np.float32)[:, None]

        def on_epoch_end(self) -> None:
            self._places = np.arange(self._epoch % stride, len(rows), stride)
            self._epoch += 1
            if order is not None:
                order.shuffle(self._places)

    return Batches()


def _progress(keras: Any, epochs: int) -> Any:
    """Give a callback that tells the log of each epoch, and every ten seconds within one."""

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self._began = self._told = time.monotonic()
            self._epoch = epoch + 1

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if time.monotonic() - self._told >= _PROGRESS_SECONDS:
                self._told = time.monotonic()
                _LOGGER.info("epoch %d of %d: %d of %d batches", self._epoch, epochs, batch + 1, self.params["steps"])

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            losses = logs or {}
            _LOGGER.info(
                "epoch %d of %d: %.1f s, log loss %.5f, of later rows %.5f",
                epoch + 1, epochs, time.monotonic() - self._began, losses["loss"], losses["val_loss"],
            )  # fmt: skip

    return Progress()
