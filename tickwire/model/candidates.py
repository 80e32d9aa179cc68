"""The models that can be compared, by name."""

from collections.abc import Callable

from tickwire.model.baselines.base_rate import BaseRate
from tickwire.model.baselines.lightgbm import LightGBM
from tickwire.model.baselines.logistic import Logistic
from tickwire.model.baselines.rule import Rule
from tickwire.model.estimator import Estimator
from tickwire.model.network import LstmEstimator

_QUICK_STRIDE = 8

CANDIDATES: dict[str, Callable[[], Estimator]] = {
    "base-rate": BaseRate,
    "rule": Rule,
    "logistic": Logistic,
    "lightgbm": LightGBM,
    "lstm": LstmEstimator,
}
"""Each in the order of tables, and how it is made."""


def candidates(
    names: list[str], *, quick: bool = False, epochs: int | None = None, stride: int | None = None
) -> list[Estimator]:
    """Give the models of these names, with the base rate and the rule, which all are held against.

    Parameters
    ----------
    quick : a small network that learns for one epoch from every eighth row, to see that everything works
    epochs, stride : of the network; see :class:`~tickwire.model.network.LstmEstimator`

    Raises
    ------
    KeyError
        If there is no model of a name.
    """
    for name in names:
        CANDIDATES[name]
    wanted = {"base-rate", "rule", *names}
    made = {name: make() for name, make in CANDIDATES.items() if name in wanted}
    if "lstm" in made:
        small = LstmEstimator(units=(16, 8), dense=8, epochs=1, stride=_QUICK_STRIDE) if quick else LstmEstimator()
        made["lstm"] = LstmEstimator(
            units=small.units,
            dense=small.dense,
            epochs=epochs or small.epochs,
            stride=stride or small.stride,
        )
    return list(made.values())
