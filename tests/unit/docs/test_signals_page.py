"""docs/signals.md has the numbers that the code has."""

import re
from pathlib import Path

from tickwire.detect import market, sentiment
from tickwire.detect.anomalies import AnomalySettings
from tickwire.detect.disagreement import DisagreementSettings
from tickwire.detect.whales import WhaleSettings

TEXT = (Path(__file__).parents[3] / "docs" / "signals.md").read_text()


def _row(name: str) -> str:
    (row,) = re.findall(rf"^\| `{name}` \|(.+)\|$", TEXT, re.MULTILINE)
    return str(row)


def test_the_parts_of_the_index_have_their_weights_and_scales() -> None:
    told = {}
    for name in sentiment.WEIGHTS:
        weight, *_, scale = (cell.strip() for cell in _row(name).split("|"))
        told[name] = float(weight), None if scale == "–" else float(scale)
    assert told == {name: (weight, sentiment.SCALES.get(name)) for name, weight in sentiment.WEIGHTS.items()}


def test_the_bounds_of_whales_are_the_settings() -> None:
    settings = WhaleSettings()
    for words in (
        f"all but 1 in {settings.one_in:,} of",
        f"at least {settings.medians:g} times their median",
        f"{settings.min_trades:,} trades of the symbol came before",
        f"within {settings.window_seconds:g} s of the first",
        f"{settings.min_runs} such sums came before",
    ):
        assert words in TEXT


def test_the_bounds_of_anomalies_are_the_settings() -> None:
    settings, between = AnomalySettings(), DisagreementSettings()
    told = {
        "price": (f"{settings.price_deviations:g} σ̂", f"{settings.minutes} minutes", f"{settings.price_floor:.1%}"),
        "rate": (f"{settings.rate_deviations:g} σ̂", f"{settings.rate_multiple:g} times", f"and {settings.rate_floor} "),
        "spread": (
            *(f"every {settings.sample_seconds} s", f"{settings.spread_deviations:g} σ̂"),
            *(f"{settings.samples} looks", f"{settings.spread_multiple:g} times"),
        ),
        "silence": (f"{settings.silence_seconds} s", f"{settings.silence_rate} trades a minute"),
        "disagreement": (f"{between.multiple:g} times", f"{between.minutes} minutes", f"{between.floor:g} bp"),
    }
    for kind, words in told.items():
        assert [word for word in words if word not in _row(kind).replace(" %", "%")] == [], kind
    assert f"before {settings.min_minutes} minutes ({settings.min_samples} looks of a spread)" in TEXT


def test_how_long_is_waited_is_what_the_code_waits() -> None:
    second = 1_000_000_000
    assert f"has told of {market.GRACE // second} s more" in TEXT
    assert f"any partition of {market.SILENT_GRACE // second} s more" in TEXT
