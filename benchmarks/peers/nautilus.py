"""nautilus_trader: the Python path of its Binance spot data client, from bytes to its fixed-point TradeTick."""

# mypy: disable-error-code="import-not-found"
# nautilus_trader is in the peers' environment alone.

from typing import Any

import msgspec
from nautilus_trader.adapters.binance.common.schemas.market import BinanceDataMsgWrapper
from nautilus_trader.adapters.binance.spot.schemas.market import BinanceSpotTradeMsg
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId

from benchmarks.harness import Prepared
from benchmarks.peers.frames import UNIT, Trade, assert_agree, load


def prepare(feed: str, folder: str) -> Prepared:
    """Give the benchmark: the message is decoded once for its stream and once whole, as its client does."""
    assert feed == "binance"
    sample = load(folder)
    stream_of = msgspec.json.Decoder(BinanceDataMsgWrapper).decode
    message_of = msgspec.json.Decoder(BinanceSpotTradeMsg).decode
    ids = {
        symbol.replace("-", "").lower(): InstrumentId.from_str(f"{symbol.replace('-', '')}.BINANCE")
        for symbol in sample.symbols
    }
    names = dict(zip(ids.values(), sample.symbols, strict=True))

    def run(_: object) -> list[Any]:
        ticks = []
        for frame in sample.frames:
            instrument = ids[stream_of(frame).stream.partition("@")[0]]
            ticks.append(message_of(frame).data.parse_to_trade_tick(instrument, 1))
        return ticks

    def trade(tick: Any) -> Trade:
        side = "buy" if tick.aggressor_side == AggressorSide.BUYER else "sell"
        price, size = int(tick.price.as_decimal() * UNIT), int(tick.size.as_decimal() * UNIT)
        # From milliseconds it goes by a float, which is up to 128 ns off at today's times.
        time = (tick.ts_event + 500) // 1_000 * 1_000
        return (names[tick.instrument_id], int(tick.trade_id.value), price, size, side, time)

    return Prepared(
        rows=len(sample.frames), run=run, check=lambda ticks: assert_agree([trade(t) for t in ticks], sample)
    )
