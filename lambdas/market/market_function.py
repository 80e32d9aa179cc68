"""Reads what the symbols tell, and tells what they come to together.

Facts are kept per partition, like any stage's state, so that invocations for different shards never meet. The market
has one state, which whoever finds a minute complete advances; of several that do so at once, one saves it and the
others stop. So here the state is saved before its records are put, and holds them until they are: were they put
first, as the stages do that alone write their partition, the same counter could be put with two contents.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger

from lambdas.delivery.event import BatchResponse
from lambdas.delivery.output import OutputStream
from lambdas.delivery.partition_work import StageCounts
from lambdas.delivery.retrying import Remaining
from lambdas.delivery.state import PartitionState, PartitionStates
from lambdas.delivery.stream_stage import StreamStage
from tickwire.detect.market import Market, MarketState
from tickwire.detect.market_facts import MINUTE, MarketFactsStage, PartitionFacts
from tickwire.records import Record, RecordKind
from tickwire.stages.stage import StageOutput

_log = Logger()


class _NotedStage(MarketFactsStage):
    """Notes the newest minute that it has seen, for the sake of which it may be worth looking at all facts."""

    newest = 0

    def process(self, state: PartitionFacts, record: Record, source: int) -> StageOutput:
        output = super().process(state, record, source)
        self.newest = max(self.newest, state.newest)
        return output


class MarketFunction:
    """Runs for every market-events event that the function is invoked with.

    Parameters
    ----------
    client : of Valkey
    output : market-events
    partitions : of the symbols; the market's own is the one after them
    """

    def __init__(self, client: Any, output: OutputStream, *, partitions: int) -> None:
        self._partitions = partitions
        self._output = output
        self._stage = _NotedStage(partitions)
        self._market = Market(partitions)
        self._facts = PartitionStates(client, self._stage)
        self._states = PartitionStates(client, self._market)
        self._folding = StreamStage(
            self._stage, input_kind=RecordKind.EVENTS, states=PartitionStates(client, self._stage), output=output
        )
        # The newest minute that is known to be concluded; at the first event nothing is known.
        self._concluded: int | None = None

    def run(self, event: Mapping[str, Any], *, remaining: Remaining) -> tuple[BatchResponse, StageCounts]:
        """Keep the facts of a Kinesis event, and conclude what is complete.

        Raises
        ------
        valkey.ValkeyError
            If the market's state cannot be read or saved.
        TickwireError
            If its records are not accepted in time; whoever comes next puts them.
        """
        response, counts = self._folding.run(event, remaining=remaining)
        if event["Records"] and (self._concluded is None or self._stage.newest > self._concluded + MINUTE):
            self._conclude(counts, remaining)
        return response, counts

    def _conclude(self, counts: StageCounts, remaining: Remaining) -> None:
        # Nothing is known until all went well, so that a retry begins here again.
        self._concluded = None
        held = self._load()
        state = held.state
        # Some invocation saved them before, and nobody knows whether it put them; once more does no harm.
        self._put(state.waiting, remaining)
        state.waiting = ()
        self._market.advance(state, self._facts.look(range(self._partitions)))
        if not self._save(held, counts):
            return
        if state.waiting:
            self._put(state.waiting, remaining)
            counts.outputs += len(state.waiting)
            held = self._load()
            held.state.waiting = ()
            if not self._save(held, counts):
                return
        self._concluded = state.minute

    def _load(self) -> PartitionState[MarketState]:
        return self._states.load([self._partitions])[self._partitions]

    def _save(self, held: PartitionState[MarketState], counts: StageCounts) -> bool:
        """Say whether this invocation may go on; where another was faster, that one concludes."""
        for conflict in self._states.save([held]).values():
            counts.state_conflicts += 1
            _log.info("another invocation concluded", reason=str(conflict))
            return False
        return True

    def _put(self, records: Sequence[Record], remaining: Remaining) -> None:
        failures = self._output.put({self._partitions: records}, stage=self._market.name, remaining=remaining)
        for error in failures.values():
            raise error
