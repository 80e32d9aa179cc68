"""Shapley values against their definition, and what any explanation must keep."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from tickwire.model.explanation import Float32, Float64, explain

Model = Callable[[Float32], Float32]
FEATURES, BARS = 4, 3


def by_feature(rows: Float32) -> Float64:
    """The rows as (n, bars, features), bar after bar."""
    return rows.reshape(len(rows), BARS, FEATURES).astype(np.float64)


def linear(rows: Float32) -> Float32:
    return (0.5 + 0.01 * (by_feature(rows) @ [1.0, -2.0, 0.5, 0.0]).sum(axis=1)).astype(np.float32)


def interacting(rows: Float32) -> Float32:
    bars = by_feature(rows)
    logit = bars[:, -1, 0] * bars[:, 0, 1] + np.tanh(bars[:, 1, 2]) - 0.3 * bars[:, -1, 0]
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def shapley(model: Model, row: Float32, background: Float32) -> Float64:
    """The definition (L. Shapley 1953): a feature's mean step over all subsets of the others, each by its weight."""

    def value(features: tuple[int, ...]) -> float:
        mixed = background.copy()
        for feature in features:
            mixed[feature::FEATURES] = row[feature::FEATURES]
        return float(model(mixed[None])[0])

    values = np.zeros(FEATURES)
    for feature in range(FEATURES):
        others = [other for other in range(FEATURES) if other != feature]
        for size in range(FEATURES):
            weight = math.factorial(size) * math.factorial(FEATURES - size - 1) / math.factorial(FEATURES)
            for subset in itertools.combinations(others, size):
                values[feature] += weight * (value((*subset, feature)) - value(subset))
    return values


@pytest.fixture
def rows() -> Float32:
    return np.random.default_rng(1).standard_normal((5, BARS * FEATURES)).astype(np.float32)


@pytest.fixture
def background() -> Float32:
    return np.random.default_rng(2).standard_normal(BARS * FEATURES).astype(np.float32)


@pytest.mark.parametrize("model", [linear, interacting])
def test_they_add_up_to_the_probability(model: Model, rows: Float32, background: Float32) -> None:
    found = explain(model, rows, background, features=FEATURES)
    assert found.base == model(background[None])[0]
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), model(rows), atol=1e-6)


def test_of_a_model_without_interactions_they_are_exact(rows: Float32, background: Float32) -> None:
    found = explain(linear, rows, background, features=FEATURES)
    for row, contributions in zip(rows, found.contributions, strict=True):
        np.testing.assert_allclose(contributions, shapley(linear, row, background), atol=1e-6)


def test_walking_both_ways_is_exact_for_two_that_work_together(background: Float32) -> None:
    def pair(rows: Float32) -> Float32:
        bars = by_feature(rows)
        return (0.5 + 0.1 * bars[:, 0, 0] * bars[:, 0, 1]).astype(np.float32)

    row = np.ones(BARS * FEATURES, np.float32)
    (contributions,) = explain(pair, row[None], background, features=FEATURES).contributions
    np.testing.assert_allclose(contributions, shapley(pair, row, background), atol=1e-6)


def test_with_many_permutations_they_come_to_the_definition(rows: Float32, background: Float32) -> None:
    found = explain(interacting, rows, background, features=FEATURES, permutations=2_000)
    for row, contributions in zip(rows, found.contributions, strict=True):
        np.testing.assert_allclose(contributions, shapley(interacting, row, background), atol=0.01)


def test_what_the_model_does_not_look_at_has_none(rows: Float32, background: Float32) -> None:
    assert np.all(explain(interacting, rows, background, features=FEATURES).contributions[:, 3] == 0)


def test_a_row_like_the_background_has_none(background: Float32) -> None:
    assert np.all(explain(interacting, background[None], background, features=FEATURES).contributions == 0)


def test_a_row_has_the_same_explanation_each_time_and_beside_others(rows: Float32, background: Float32) -> None:
    together = explain(interacting, rows, background, features=FEATURES).contributions
    alone = explain(interacting, rows[2:3], background, features=FEATURES).contributions
    np.testing.assert_array_equal(together[2:3], alone)


def test_two_calls_answer_all(rows: Float32, background: Float32) -> None:
    asked = []

    def counted(mixed: Float32) -> Float32:
        asked.append(len(mixed))
        return linear(mixed)

    explain(counted, rows, background, features=FEATURES)
    assert asked == [len(rows) * 4 * (FEATURES + 1), len(rows) * 2 * (BARS + 1)]


def test_a_linear_model_charges_a_bar_with_what_it_adds(rows: Float32, background: Float32) -> None:
    bars = explain(linear, rows, background, features=FEATURES).bars
    expected = 0.01 * ((by_feature(rows) - by_feature(background[None])) @ [1.0, -2.0, 0.5, 0.0])
    np.testing.assert_allclose(bars, expected, atol=1e-6)


@pytest.mark.parametrize("model", [linear, interacting])
def test_bars_add_up_to_what_features_add_up_to(model: Model, rows: Float32, background: Float32) -> None:
    found = explain(model, rows, background, features=FEATURES)
    np.testing.assert_allclose(found.bars.sum(axis=1), found.contributions.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.base + found.bars.sum(axis=1), model(rows), atol=1e-6)


def test_many_permutations_charge_bars_by_the_definition(rows: Float32, background: Float32) -> None:
    def value(bars: tuple[int, ...]) -> float:
        mixed = background.reshape(BARS, FEATURES).copy()
        mixed[list(bars)] = rows[0].reshape(BARS, FEATURES)[list(bars)]
        return float(interacting(mixed.reshape(1, -1))[0])

    expected = np.zeros(BARS)
    for order in itertools.permutations(range(BARS)):
        for place, bar in enumerate(order):
            expected[bar] += (value(order[: place + 1]) - value(order[:place])) / math.factorial(BARS)
    found = explain(interacting, rows[:1], background, features=FEATURES, bar_permutations=2_000)
    np.testing.assert_allclose(found.bars[0], expected, atol=5e-3)
