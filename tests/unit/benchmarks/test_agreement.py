"""Every benchmark's outcome is compared with independent truth before it is timed: here on tiny inputs."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cases import Case, cases
from benchmarks.frames import captures_folder
from benchmarks.harness import Prepared, measure, rehearse
from benchmarks.market import assert_same_trades, simulate, soil
from benchmarks.peers.frames import Sample, assert_agree
from benchmarks.runner import PEERS, run_case

_TINY = {"batch": 70, "symbols": 7, "trades": 500}


def _kinds(*, peer: bool) -> list[Case]:
    """Give one case of each benchmark, whatever its sizes."""
    kinds = {(case.prepare, str(case.arguments)): case for case in cases() if case.peer is peer}
    return list(kinds.values())


@pytest.mark.parametrize("case", _kinds(peer=False), ids=lambda case: f"{case.name}-{case.by}-{case.data}")
def test_a_benchmark_of_ours_gives_what_the_market_says(case: Case) -> None:
    if case.data == "recorded" and captures_folder() is None:
        pytest.skip("no recorded frames; TICKWIRE_REALDATA names their folder")
    if "TLS" in case.name and shutil.which("openssl") is None:
        pytest.skip("no openssl, which makes the certificate")
    module, _, function = case.prepare.partition(":")
    sizes = _TINY
    if case.name == "trades to features":
        sizes = {"batch": 70_000, "symbols": 2, "trades": 260_000}  # the time that bars take to become final
    prepared = getattr(import_module(module), function)(**case.arguments, **sizes)
    rehearse(prepared)
    assert prepared.rows >= 490


@pytest.mark.slow
@pytest.mark.parametrize("case", _kinds(peer=True), ids=lambda case: f"{case.name}-{case.by}-{case.data}")
def test_a_peer_gives_the_same_as_the_market_or_as_tickwire(case: Case) -> None:
    if not PEERS.exists():
        pytest.skip("no .venv-peers: `make setup-peers` makes it")
    tiny = replace(case, trades=400, symbols=5)
    result = run_case(tiny, passes=1, seconds=0.0)
    assert result.rows > 0


def test_two_processes_are_measured_together() -> None:
    case = next(case for case in cases() if case.processes == 2)
    result = run_case(replace(case, trades=2_000, batch=500), passes=1, seconds=0.0)
    assert result.processes == 2
    assert result.rows == 2_000


def test_a_wrong_outcome_has_no_figure() -> None:
    batch = simulate(200, 3)
    price = batch.price.copy()
    price[150] += 1
    with pytest.raises(AssertionError, match="price differs"):
        assert_same_trades(replace(batch, price=price), batch)
    with pytest.raises(AssertionError, match="199 trades, not 200"):
        assert_same_trades(batch.take(np.arange(199)), batch)

    def fail(_: object) -> None:
        raise AssertionError("wrong")

    with pytest.raises(AssertionError, match="wrong"):
        rehearse(Prepared(rows=1, run=lambda _: None, check=fail))


def test_a_peers_side_time_and_price_are_compared() -> None:
    trade = ("A-B", 7, 100, 5, "buy", 1_234_567)
    sample = Sample([b"{}"], [trade])
    assert_agree([trade], sample)
    assert_agree([("A-B", 7, 100, 5, "sell", 1_234_000)], sample, resolution=1_000, makers_side=True)
    for wrong in (("A-B", 7, 100, 5, "sell", 1_234_567), ("A-B", 7, 101, 5, "buy", 1_234_567)):
        with pytest.raises(AssertionError):
            assert_agree([wrong], sample)


def test_the_simulated_market_has_contiguous_ids_and_a_dirty_one_tells_what_it_broke() -> None:
    clean = simulate(5_000, 20)
    for row in range(20):
        ids = clean.trade_id[clean.instrument == row]
        assert np.array_equal(ids, np.arange(ids[0], ids[0] + len(ids)))
    dirty = soil(clean)
    # 0.05 %, 0.2 % and 1 % of 5,000, within what chance makes of them.
    assert 0 < dirty.lost < 12
    assert 2 < dirty.bad < 25
    assert 25 < dirty.duplicates < 80
    assert len(dirty.batch) == 5_000 - dirty.lost + dirty.duplicates
    assert np.count_nonzero(dirty.batch.price == 0) == dirty.bad
    assert len(dirty.good) == 5_000 - dirty.lost - dirty.bad


def test_a_measurement_is_the_median_of_its_passes() -> None:
    passes = []
    timing = measure(Prepared(rows=1, run=passes.append, fresh=lambda: "state"), passes=5, seconds=0.0)
    assert passes == ["state"] * 5
    assert timing.passes == 5
    assert timing.wall_seconds >= 0


def test_the_command_line_lists_what_it_does(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "benchmarks", "--only", "no such case"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no case" in done.stderr
    out = tmp_path / "report.json"
    command[-1] = "JSON lines"
    command += ["--quick", "--json", "--out", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {(one["name"], one["by"]) for one in json.loads(done.stdout)}
    assert names == {("encode", "JSON lines"), ("decode", "JSON lines")}
    assert len(json.loads(out.read_text())["results"]) == 2
