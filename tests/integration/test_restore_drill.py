"""Every store of a platform is lost in turn, restored, and proved to hold what it held."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.restore_drill.drill import prepared_drill
from local.restore_drill.outcome import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.services("glue", "kinesis", "s3", "sqs")]


@pytest.fixture
def outcomes(aws: str) -> Iterator[list[Outcome]]:
    with tempfile.TemporaryDirectory(prefix="tickwire-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with prepared_drill(Path(name)) as drill:
            yield drill.run()


def test_whatever_store_is_lost_everything_comes_back_once(outcomes):
    """How much each restore lacks is worked by hand: rounds of 4 symbols of 40 trades, one in 160 of them bad."""
    assert [(o.disaster, [name for name, holds in o.proofs.items() if not holds]) for o in outcomes] == [
        ("the database is deleted", []),
        ("the lake's objects are deleted or overwritten, and its table in Glue is dropped", []),
        ("the lake's newest commits are lost", []),
        ("the state store is lost", []),
        ("all three stores are lost", []),
    ]
    database, deleted, set_back, states, everything = outcomes
    four_rounds = 4 * (4 * 40) - 4  # of four symbols in four rounds, four have a bad row
    assert [o.lacking_ids for o in outcomes] == [
        {"ledger": 2 * four_rounds},
        {},
        {"lake": four_rounds},
        {"validator": 2 * four_rounds},
        {"validator": 3 * four_rounds, "lake": 2 * four_rounds, "ledger": four_rounds},
    ]
    # What somebody sees who goes on without rewinding: all stop aloud, but for one.
    assert set(database.resumed_as_it_was) == {"store_writer", "store_writer, rewound to the moment itself"}
    assert "came after" in database.resumed_as_it_was["store_writer"]
    assert "the table ends at 0" in deleted.resumed_as_it_was["lake_writer"]
    assert set(set_back.resumed_as_it_was) == {"lake_writer", "lake_writer, rewound behind the waiting messages"}
    assert list(states.resumed_as_it_was) == ["all"]
    assert states.resumed_as_it_was["all"].startswith("159 trades are taken for repeats and stored nowhere; the audit")
    assert states.resumed_as_it_was["all"].endswith("finds state_differs")
    assert set(everything.resumed_as_it_was) == {"signals"}
    # A letter is sent again only where the validator's state went back too.
    assert [o.dead_letters_lost for o in outcomes] == [4, 0, 0, 0, 0]
