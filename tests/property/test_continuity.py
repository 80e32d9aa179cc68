"""The continuity that people look at, against a model that keeps the state of every single id."""

from collections import Counter
from contextlib import ExitStack
from itertools import groupby
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.envelope import decode, encode
from tickwire.records import MAX_GAPS, Finding, FindingKind, Gap, GapState, Header, Progress, Record, RecordKind
from tickwire.stages import continuity
from tickwire.stages.signals import SignalsSettings, SignalsStage

HOUR = 3_600 * 10**9
SPACING = HOUR // 7
START = 1_700_000_000 * 10**9 // HOUR * HOUR
FILLED = ("live", "history")


def time_of(trade_id: int) -> int:
    """Ids lie evenly in time, as the stage supposes where it cannot know."""
    return START + trade_id * SPACING


def ranges(ids) -> tuple[tuple[int, int], ...]:
    runs = [[i for _, i in run] for _, run in groupby(enumerate(sorted(ids)), lambda pair: pair[1] - pair[0])]
    return tuple((run[0], run[-1]) for run in runs)


class Model:
    """One symbol: ``ids`` says of each id what it is; ``gaps`` of each noticed gap how its ids were filled."""

    def __init__(self) -> None:
        self.ids: dict[int, str] = {1: "live"}
        self.gaps: dict[tuple[int, int, int], dict[int, str]] = {}
        self.told: dict[tuple[int, int, int], tuple[str, int, int]] = {}
        self.closed: dict[tuple[int, int, int], int] = {}
        self.records = 0

    def record(self, actions) -> Record:
        """Do what the actions say, in the validator's order, and give the CLEAN record that tells it."""
        self.records += 1
        now = START + 400 * HOUR + self.records
        before = dict(self.ids)
        opened: dict[int, str] = {}
        findings = []
        for action, start, number in sorted(actions, key=lambda action: ORDER.index(action[0])):
            if action == "reopen":
                chosen = self._some(start, number, FILLED)
                for first, last in ranges(chosen):
                    after = time_of(first - 1)
                    opened |= dict.fromkeys(range(first, last + 1), "reopened")
                    findings.append(Finding("kraken", "BTC-USD", first, last, FindingKind.REOPEN, "", now, after))
                self.ids |= dict.fromkeys(chosen, "missing")
            elif action == "jump":
                newest = max(self.ids)
                lost = range(newest + 1, newest + number + 1)
                opened |= dict.fromkeys(lost, "id_jump")
                self.ids |= dict.fromkeys(lost, "missing") | {newest + number + 1: "live"}
            elif action == "quarantine":
                self.ids |= dict.fromkeys(self._some(start, number, ("missing", "absent")), "quarantined")
            elif action in FILLED:
                self.ids |= dict.fromkeys(self._some(start, number, ("missing", "absent", "quarantined")), action)
            else:
                self.ids |= dict.fromkeys(self._some(start, number, ("missing",)), "absent")
        reopened = {i for i, cause in opened.items() if cause == "reopened"}
        changed = {i: what for i, what in self.ids.items() if before.get(i) != what or i in reopened}
        if self.records == 1:
            changed[1] = "live"
        gaps = self._notice(opened, changed, now)
        self._follow(changed, now)
        self.gaps |= {
            (gap.noticed, gap.first, gap.last): dict.fromkeys(range(gap.first, gap.last + 1), "missing") for gap in gaps
        }
        accepted = [i for i, what in changed.items() if what in FILLED]
        counts = Counter(self.ids.values())
        progress = Progress(
            *("kraken", "BTC-USD", 1, max(self.ids), counts["live"] + counts["history"], 0, 0, counts["quarantined"]),
            missing=counts["missing"],
            missing_ranges=(),
            time=now,
            absent=counts["absent"],
            opened=ranges(opened),
            accepted_ids=ranges(accepted),
            backfilled_ids=ranges(i for i in accepted if changed[i] == "history"),
            quarantined_now=ranges(i for i, what in changed.items() if what == "quarantined"),
            absent_now=ranges(i for i, what in changed.items() if what == "absent"),
            hours=tuple((hour, len(ids), min(ids), max(ids)) for hour, ids in sorted(by_hour(accepted).items())),
        )
        header = Header(RecordKind.CLEAN, 0, self.records, str(self.records), now)
        return Record(header=header, gaps=tuple(gaps), progress=(progress,), findings=tuple(findings))

    def states(self) -> list[GapState]:
        """Give the gaps in numbers, by when they were noticed."""
        result = []
        for (noticed, first, last), ids in sorted(self.gaps.items()):
            counts = Counter(ids.values())
            numbers = (counts[what] for what in ("missing", "live", "history", "absent", "quarantined"))
            cause, after, before = self.told[noticed, first, last]
            closed = self.closed.get((noticed, first, last), 0)
            result.append(GapState(first, last, cause, noticed, after, before, *numbers, closed))
        return result

    def _some(self, start: int, number: int, of: tuple[str, ...]) -> list[int]:
        """Give ``number`` ids of these kinds, wrapping around, the ids before ``start`` last."""
        fitting = [i for i in sorted(self.ids) if self.ids[i] in of and i > 1]
        start %= len(fitting) or 1
        return [*fitting[start:], *fitting[:start]][:number]

    def _notice(self, opened: dict[int, str], changed: dict[int, str], now: int) -> list[Gap]:
        gaps = []
        for cause in ("id_jump", "reopened"):
            for first, last in ranges(i for i, own in opened.items() if own == cause and changed.get(i) == "missing"):
                times = (time_of(first - 1), time_of(last + 1) if cause == "id_jump" else 0)
                gaps.append(Gap("kraken", "BTC-USD", first, last, cause, now, *times))
        self.told |= {(gap.noticed, gap.first, gap.last): (gap.cause, gap.after_time, gap.before_time) for gap in gaps}
        return gaps

    def _follow(self, changed: dict[int, str], now: int) -> None:
        for key, ids in self.gaps.items():
            for i, what in ids.items():
                if what not in FILLED and changed.get(i, "missing") != "missing":
                    ids[i] = changed[i]
            if key not in self.closed and "missing" not in ids.values():
                self.closed[key] = now


def by_hour(ids) -> dict[int, list[int]]:
    hours: dict[int, list[int]] = {}
    for i in ids:
        hours.setdefault(time_of(i) // HOUR * HOUR, []).append(i)
    return hours


ORDER = ("reopen", "jump", "quarantine", "live", "history", "absent")
_ACTIONS = st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 200), st.integers(1, 12)), min_size=1, max_size=4)


def _continuities(model: Model, records):
    """Feed the stage, its state saved after each record; give each record's continuity."""
    stage = SignalsStage(SignalsSettings())
    state = stage.new_state()
    for source, actions in enumerate(records, 1):
        record = decode(encode(model.record(actions)))
        output = stage.process(state, record, source).record
        saved = stage.dump(state)
        state = stage.load(saved)
        assert stage.dump(state) == saved
        yield output.continuity[0] if output.continuity else None


@settings(deadline=None, max_examples=250)
@given(st.lists(_ACTIONS, max_size=6))
def test_gaps_and_hours_are_those_of_plain_sets(records):
    model = Model()
    before = []
    for told in _continuities(model, records):
        states = model.states()
        # A gap that changed is told at once; hours alone can wait.
        assert told is not None or states == before
        before = states
        if told is None:
            continue
        for gap in told.gaps:
            assert gap.remaining + gap.live + gap.history + gap.absent + gap.quarantined == gap.last - gap.first + 1
        if len(states) <= MAX_GAPS:
            assert sorted(told.gaps, key=lambda gap: (gap.noticed, gap.first)) == states
        _check_hours(told, model)


def _check_hours(told, model: Model) -> None:
    """What never was a gap's, as a quarantined row in its place, is no part of the hours but of the totals."""
    of_gaps = [pair for ids in model.gaps.values() for pair in ids.items()]
    kinds = {
        "trades": [i for i, what in model.ids.items() if what in FILLED],
        "missing": [i for i, what in model.ids.items() if what == "missing"],
        "absent": [i for i, what in of_gaps if what == "absent"],
        "quarantined": [i for i, what in of_gaps if what == "quarantined"],
    }
    for name, ids in kinds.items():
        counted = {hour.start: getattr(hour, name) for hour in told.hours if getattr(hour, name)}
        assert counted == {start: len(some) for start, some in by_hour(ids).items()}, name


@settings(deadline=None, max_examples=250)
@given(st.lists(_ACTIONS, max_size=12))
def test_a_bounded_memory_still_counts_every_missing_id(records):
    model = Model()
    with ExitStack() as patches:
        for name, value in {"MAX_OPEN_GAPS": 3, "MAX_GAPS": 4, "MAX_RANGES": 9}.items():
            patches.enter_context(patch.object(continuity, name, value))
        for told in _continuities(model, records):
            if told is None:
                continue
            assert len(told.gaps) <= 4
            for gap in told.gaps:
                parts = (gap.remaining, gap.live, gap.history, gap.absent, gap.quarantined)
                assert min(parts) >= 0
                assert sum(parts) == gap.last - gap.first + 1
            missing = sum(what == "missing" for what in model.ids.values())
            assert sum(hour.missing for hour in told.hours) == missing
            assert sum(gap.remaining for gap in told.gaps) <= missing
