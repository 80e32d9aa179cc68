"""Metrics as CloudWatch reads them off the log (embedded metric format)."""

import json

import pytest
from aws_lambda_powertools import Metrics

from lambdas.delivery.partition_work import StageCounts
from lambdas.delivery.stage_metrics import publish


def test_counts_become_metrics_and_quarantined_rows_one_a_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Tickwire")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "validator")
    metrics = Metrics()
    counts = StageCounts(records=3, trades=40, outputs=2, repeats=1, iterator_age_ms=12.5)
    counts.quarantined.update({"side": 4, "price": 1})
    publish(metrics, counts)
    metrics.flush_metrics()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rules = {line["rule"]: line["Quarantined"] for line in lines if "rule" in line}
    assert rules == {"side": [4], "price": [1]}
    (rest,) = [line for line in lines if "Records" in line]
    assert rest["service"] == "validator"
    assert rest["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tickwire"
    assert {name: rest[name] for name in ("Records", "Trades", "Outputs", "RepeatsSkipped", "IteratorAge")} == {
        "Records": [3],
        "Trades": [40],
        "Outputs": [2],
        "RepeatsSkipped": [1],
        "IteratorAge": [12.5],
    }
    assert rest["QuarantinedRows"] == [5]
    assert "StateConflicts" not in rest
