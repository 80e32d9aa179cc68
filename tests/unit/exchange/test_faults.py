"""Faults between the market and the sockets: what they take, what they tell, and that the seed decides."""

import asyncio
from collections.abc import Iterable

import pytest

from local.exchange.connection import Connection
from local.exchange.faults.fault import FaultState
from local.exchange.faults.order import FaultRefused, read_orders
from local.exchange.floor import Floor
from local.exchange.market import Market
from local.exchange.source import SimulatorSource
from local.exchange.venues.protocol import EVERYONE, Outgoing

SECOND = 1_000_000_000
START = 1_783_465_200 * SECOND
TOPIC = "btcusdt@trade"


class OpenTransport(asyncio.Transport):
    """Takes all that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.taken.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


class Stage:
    """A floor over a simulated market, with a hand-turned clock and one client of Binance's BTC and ETH streams."""

    def __init__(self, *, seed: int = 1) -> None:
        self.now = START
        self.source = SimulatorSource(seed=3, rate=50, now=START)
        self.floor = Floor(self.source, lambda: self.now, seed=seed)
        self.connection = self.join()

    def join(self) -> Connection:
        session = self.floor.protocols["binance"].open(
            "/stream", {"streams": "btcusdt@trade/btcusdt@bookTicker/ethusdt@trade"}
        )
        connection = Connection(session, "binance", OpenTransport(), self.floor.announced, now=self.now)
        self.floor.join("binance", connection)
        return connection

    def order(self, text: str) -> None:
        self.floor.faults.order(read_orders(text))

    def publish(self, ids: Iterable[int], *, topic: str = TOPIC, symbol: str = "BTC-USDT") -> None:
        for number in ids:
            frame = Outgoing(b'{"t":%d}' % number, (topic,), ((symbol, number, number),))
            self.floor.publish("binance", [frame])
        self.floor.flush()

    def pass_time(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)
        self.floor.faults.tick()
        self.floor.flush()

    def sent(self) -> list[int]:
        """Give the ids as the client got them."""
        transport = self.connection._transport
        assert isinstance(transport, OpenTransport)
        wire = b"".join(transport.taken)
        return [int(part.partition(b"}")[0]) for part in wire.split(b'{"t":')[1:]]

    def fault_markets(self) -> list[Market]:
        """Give the markets that the first fault concerns."""
        return self.floor.faults._faults[0].markets()

    def fault(self, number: int = 1) -> dict[str, object]:
        return self.floor.faults.report()[number - 1]


def ranges_of(fault: dict[str, object], key: str = "binance:BTC-USDT") -> list[list[int]]:
    ids = fault["ids"]
    assert isinstance(ids, dict)
    found: list[list[int]] = ids.get(key, [])
    return found


def test_a_hole_keeps_so_many_trades_from_the_sockets_and_says_which() -> None:
    stage = Stage()
    stage.order('{"kind":"hole","symbol":"BTC-USDT","count":3}')
    stage.publish(range(1, 3))
    stage.publish([900], topic="ethusdt@trade", symbol="ETH-USDT")
    stage.publish(range(3, 7))
    stage.pass_time(0.01)

    assert stage.sent() == [900, 4, 5, 6]
    assert ranges_of(stage.fault()) == [[1, 3]]
    assert stage.fault()["state"] == "ended"
    assert stage.floor.announced.report()["binance:BTC-USDT"]["ranges"] == [[4, 6]]


def test_a_duplicate_comes_again_and_is_announced_once() -> None:
    stage = Stage()
    stage.order('{"kind":"duplicate","symbol":"BTC-USDT","count":2,"delay":1}')
    stage.publish(range(1, 5))
    assert stage.sent() == [1, 2, 3, 4]
    stage.pass_time(1)

    assert sorted(stage.sent()) == [1, 1, 2, 2, 3, 4]
    assert ranges_of(stage.fault()) == [[1, 2]]
    assert stage.floor.announced.trades == 4


def test_reordered_frames_come_late_but_within_the_delay_and_each_once() -> None:
    stage = Stage()
    stage.order('{"kind":"reorder","share":0.5,"delay":3}')
    stage.publish(range(1, 101))
    stage.pass_time(3)

    assert sorted(stage.sent()) == list(range(1, 101))
    late = [number for first, last in ranges_of(stage.fault()) for number in range(first, last + 1)]
    assert 25 < len(late) < 75
    assert sorted(stage.sent()[-len(late) :]) == late
    assert stage.sent()[-len(late) :] != late


def test_a_silent_stream_says_nothing_of_its_symbol_on_any_channel() -> None:
    stage = Stage()
    stage.order('{"kind":"silent_stream","symbol":"BTC-USDT","seconds":2}')
    stage.publish([1])
    stage.floor.publish("binance", [Outgoing(b'{"t":2}', ("btcusdt@bookTicker",))])
    stage.publish([3], topic="ethusdt@trade", symbol="ETH-USDT")
    stage.pass_time(2)
    stage.publish([4])

    assert stage.sent() == [3, 4]
    assert ranges_of(stage.fault()) == [[1, 1]]


def test_a_frame_that_was_late_meets_the_silence_that_came_meanwhile() -> None:
    stage = Stage()
    stage.order('{"kind":"reorder","delay":1,"seconds":1}')
    stage.publish([1, 2, 3])
    stage.order('{"kind":"silent_stream","symbol":"BTC-USDT","seconds":5}')
    stage.pass_time(2)

    assert stage.sent() == []
    assert ranges_of(stage.fault(2)) == [[1, 3]]


@pytest.mark.parametrize(("replace", "ids"), [("false", [1, 2, 3]), ("true", [3])])
def test_garbage_comes_beside_frames_or_in_their_place(replace: str, ids: list[int]) -> None:
    stage = Stage()
    got: list[bytes] = []
    send = stage.connection.send
    stage.connection.send = lambda outgoing: (got.append(outgoing.body), send(outgoing))[1]  # type: ignore[method-assign]
    stage.order(f'{{"kind":"garbage","count":2,"replace":{replace}}}')
    stage.publish([1, 2, 3])

    whole = [b'{"t":%d}' % number for number in ids]
    assert [body for body in got if body in whole] == whole
    assert len(got) == len(ids) + 2
    assert ranges_of(stage.fault()) == ([] if replace == "false" else [[1, 2]])


def test_a_half_open_socket_gets_nothing_more_and_is_reset_at_the_end() -> None:
    stage = Stage()
    stage.publish([1])
    stage.order('{"kind":"half_open","seconds":30}')
    stage.publish([2, 3])
    other = stage.join()
    stage.publish([4])
    stage.floor.enforce()

    assert stage.sent() == [1]
    assert other.frames_written == 1
    assert ranges_of(stage.fault()) == [[2, 4]]
    assert stage.floor.announced.report()["binance:BTC-USDT"]["ranges"] == [[1, 1], [4, 4]]
    assert not stage.connection.is_closing
    stage.pass_time(30)
    assert stage.connection.is_closing
    assert not other.is_closing


def test_a_fault_waits_for_the_first_subscriber_and_then_for_its_time() -> None:
    stage = Stage()
    stage.floor.leave("binance", stage.connection)
    stage.order('{"kind":"hole","feed":"binance","after":5,"seconds":2}')
    stage.pass_time(100)
    assert stage.fault()["state"] == "waiting"
    stage.connection = stage.join()
    stage.pass_time(0.01)
    stage.pass_time(4.9)
    stage.publish([1])
    stage.pass_time(0.1)
    stage.publish([2])
    stage.pass_time(2)
    stage.publish([3])

    assert stage.sent() == [1, 3]


def test_a_clock_jump_dates_trades_wrongly_while_it_lasts_and_no_longer() -> None:
    stage = Stage()
    stage.order('{"kind":"clock_jump","feed":"binance","offset":-90,"seconds":5}')
    market = next(market for market in stage.fault_markets() if market.spec.symbol == "BTC-USDT")
    wrong, quote, _ = market.trade(stage.now, fills=2)
    assert wrong is not None
    assert (wrong.time, quote.time) == (stage.now - 90 * SECOND,) * 2
    stage.pass_time(5)
    right, _, _ = market.trade(stage.now, fills=1)
    assert right is not None
    assert right.time == stage.now

    assert ranges_of(stage.fault()) == [[wrong.fills[0].trade_id, wrong.fills[1].trade_id]]
    assert stage.floor.clock_offsets["binance"] == 0


def test_two_clock_jumps_add_up() -> None:
    stage = Stage()
    stage.order('[{"kind":"clock_jump","offset":10,"seconds":5},{"kind":"clock_jump","offset":-4,"seconds":9}]')
    market = stage.fault_markets()[0]

    offsets = []
    for _ in range(3):
        offsets.append(market.clock_offset)
        stage.pass_time(5)
    assert offsets == [6 * SECOND, -4 * SECOND, 0]


def test_a_venue_outage_uses_up_ids_that_no_tape_has() -> None:
    stage = Stage()
    stage.order('{"kind":"hole","venue_outage":true,"symbol":"BTC-USDT","feed":"binance","seconds":60}')
    (market,) = stage.fault_markets()
    first = market.next_id
    shown = market.last_trade_id
    execution, _, _ = market.trade(stage.now, fills=4)
    stage.pass_time(60)
    after, _, _ = market.trade(stage.now, fills=1)

    assert execution is None
    assert shown == first - 1
    assert ranges_of(stage.fault()) == [[first, first + 3]]
    assert after is not None
    assert after.fills[0].trade_id == first + 4
    assert first not in [fill.trade_id for fill, _, _ in market.recent]


def test_maintenance_stops_the_market_without_using_up_ids() -> None:
    stage = Stage()
    session = stage.floor.protocols["kraken"].open("/v2", {})
    session.receive('{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}', stage.now)
    connection = Connection(session, "kraken", OpenTransport(), stage.floor.announced, now=stage.now)
    stage.floor.join("kraken", connection)
    stage.order('{"kind":"maintenance","seconds":20}')
    simulator = stage.source._simulator
    events = simulator.step(stage.now + 10 * SECOND)

    assert events
    assert {event.market.venue for event in events}.isdisjoint({"kraken"})
    assert b'"maintenance"' in stage.floor.protocols["kraken"].open("/v2", {}).greeting(0)[0].body
    stage.pass_time(20)
    events = simulator.step(stage.now + 10 * SECOND)
    assert "kraken" in {event.market.venue for event in events}
    assert b'"online"' in stage.floor.protocols["kraken"].open("/v2", {}).greeting(0)[0].body


def test_ending_all_faults_puts_everything_right() -> None:
    stage = Stage()
    stage.order(
        '[{"kind":"reorder","delay":60,"seconds":600},{"kind":"clock_jump","seconds":600},'
        '{"kind":"hole","venue_outage":true,"symbol":"ETH-USDT","seconds":600}]'
    )
    stage.publish([1, 2, 3])
    stage.floor.faults.end_all()

    assert sorted(stage.sent()) == [1, 2, 3]
    assert {fault["state"] for fault in stage.floor.faults.report()} == {FaultState.ENDED.value}
    assert all(market.clock_offset == market.outages == 0 for market in stage.fault_markets())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"kind":"hole","feed":"nowhere"}', "no feed nowhere; there are binance"),
        ('{"kind":"hole","feed":"kraken","symbol":"BTC-USDT"}', "no symbol BTC-USDT at kraken"),
        ('{"kind":"maintenance","feed":"binance"}', "only at kraken"),
        ('{"kind":"server_shutdown","feed":"coinbase"}', "only at binance, binance-us"),
    ],
)
def test_what_cannot_happen_here_is_refused_and_nothing_of_the_list_is_done(text: str, says: str) -> None:
    stage = Stage()
    with pytest.raises(FaultRefused, match=says):
        stage.order(f'[{{"kind":"reorder"}},{text}]')

    assert stage.floor.faults.report() == []


def distorted(seed: int, text: str) -> tuple[list[int], list[dict[str, object]]]:
    stage = Stage(seed=seed)
    stage.order(text)
    for number in range(300):
        stage.publish([number])
        stage.pass_time(0.02)
    stage.pass_time(60)
    return stage.sent(), stage.floor.faults.report()


PAIRS = (
    '[{"kind":"reorder","share":0.3,"delay":2,"seconds":5},{"kind":"duplicate","share":0.2,"seconds":5}]',
    '[{"kind":"hole","share":0.1,"seconds":5},{"kind":"garbage","replace":true,"share":0.1,"seconds":5}]',
)


@pytest.mark.parametrize("text", PAIRS)
def test_the_seed_decides_what_is_hit(text: str) -> None:
    assert distorted(5, text) == distorted(5, text)
    assert distorted(5, text)[0] != distorted(6, text)[0]


@pytest.mark.parametrize("text", PAIRS)
def test_what_is_missing_on_the_wire_is_what_the_faults_tell(text: str) -> None:
    sent, faults = distorted(8, text)
    told = {
        number
        for fault in faults
        if fault["order"]["kind"] in ("hole", "garbage")  # type: ignore[index]
        for first, last in ranges_of(fault)
        for number in range(first, last + 1)
    }

    assert set(range(300)) - set(sent) == told


def test_late_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.exchange.faults.schedule.MAX_LATE_FRAMES", 10)
    stage = Stage()
    stage.order('{"kind":"reorder","delay":60,"seconds":60}')
    stage.publish(range(1, 101))
    stage.pass_time(0.001)

    assert stage.floor.faults.late_frames <= 10
    assert len(stage.sent()) >= 90


def test_the_number_of_faults_is_bounded() -> None:
    stage = Stage()
    for _ in range(4):
        stage.order("[" + ",".join(['{"kind":"hole","after":3600}'] * 64) + "]")
    with pytest.raises(FaultRefused, match="256 faults at most"):
        stage.order('{"kind":"hole"}')


def test_without_faults_frames_pass_untouched() -> None:
    stage = Stage()
    frames = [Outgoing(b"x", (EVERYONE,))]

    assert stage.floor.faults.distort("binance", frames) is frames
