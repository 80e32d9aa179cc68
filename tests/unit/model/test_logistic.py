"""The fit against scipy's optimiser, and the exported graph against the fit."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from tickwire.model.base_rate import PROBABILITY, base_rate_archive
from tickwire.model.features import SCHEMA
from tickwire.model.logistic import fit, masked_inputs, sigmoid
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.predictor import Predictor
from tickwire.model.schema import FeatureSchema, ModelDescription


def sample(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    rows = random.standard_normal((n, 3)) * [1.0, 10.0, 0.01] + [0.0, 5.0, -1.0]
    chance = expit(0.8 * rows[:, 0] - 0.05 * rows[:, 1])
    return rows, (random.uniform(size=n) < chance).astype(float)


@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
def test_the_fit_is_the_minimum_that_scipy_finds(ridge: float) -> None:
    rows, label = sample()
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)

    def loss(solution: np.ndarray) -> float:
        chance = expit(standard @ solution[:3] + solution[3])
        nats = -np.sum(label * np.log(chance) + (1 - label) * np.log(1 - chance))
        return float(nats + ridge / 2 * np.sum(solution[:3] ** 2))

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    expected = expit(standard @ best[:3] + best[3])
    np.testing.assert_allclose(fit(rows, label, ridge=ridge).predict(rows), expected, atol=1e-6)


def test_a_feature_that_never_changes_gets_no_weight() -> None:
    rows, label = sample()
    rows[:, 1] = 7.0
    assert fit(rows, label, ridge=1.0).weights[1] == 0.0


def test_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        np.testing.assert_allclose(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])


def test_the_graph_answers_as_the_model_also_where_numbers_are_masked() -> None:
    schema = FeatureSchema(("a", "b", "c"), 2, 900)
    newest, label = sample()
    newest[np.random.default_rng(4).uniform(size=newest.shape) < 0.2] = np.nan
    inputs = masked_inputs(newest)
    # By hand: what is there, 0 for what is not, and then which is there.
    assert inputs[0, :3].tolist() == [0.0 if np.isnan(value) else value for value in newest[0]]
    assert inputs[0, 3:].tolist() == [0.0 if np.isnan(value) else 1.0 for value in newest[0]]
    model = fit(inputs, label, ridge=1.0)
    graph = logistic_graph(model.weights.tolist(), model.bias, schema=schema)
    exported = Predictor(graph, ModelDescription("m", "1", schema, schema.digest))
    # The older bar of the two is of no matter.
    rows = np.concatenate([np.full_like(newest, 7.0), newest], axis=1).astype(np.float32)
    np.testing.assert_allclose(exported.predict(rows), model.predict(inputs), atol=1e-5)


def test_a_graph_has_two_weights_for_each_feature() -> None:
    with pytest.raises(ValueError, match="2 weights for 16 features"):
        logistic_graph([0.0, 0.0], 0.0, schema=SCHEMA)


def test_the_same_model_is_the_same_bytes() -> None:
    assert base_rate_archive(SCHEMA) == base_rate_archive(SCHEMA)


def test_the_seed_gives_one_half_whatever_the_row_and_says_what_it_is(seed: Predictor) -> None:
    rows = np.random.default_rng(5).standard_normal((100, SCHEMA.width)).astype(np.float32) * 100
    assert set(seed.predict(rows).tolist()) == {PROBABILITY}
    assert (seed.description.name, seed.description.trained) == ("base-rate", None)
