"""Captures of one feed into sorted trades, with an account of everything else that was in them."""

import time
from base64 import b64encode
from bisect import bisect_right
from collections import Counter
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from tickwire.capture import CapturedFrame, read_capture
from tickwire.cli.output import ProgressLine
from tickwire.cli.trade_file import TradeFileWriter
from tickwire.cli.trade_runs import TradeRuns
from tickwire.columns import QuoteRows, Side, TradeBatch
from tickwire.decimals import format_fixed
from tickwire.records import Heartbeat
from tickwire.validation.rules import Rule, broken_rules, explain
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

_FLUSH = 50_000
"""Trades, or frames, that are held before they are validated."""
_SECOND = 1_000_000_000
_NO_MAX_AGE = 2**62
_MAX_ID_JUMP = 1_000_000
_SHOWN_RANGES = 64
_SHOWN_STATUSES = 100

SymbolKey = tuple[str, str]


class RejectFile:
    """NDJSON of what was refused, with the frame as received, which ``read_capture`` reads again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, reject: dict[str, Any], path: Path, captured: CapturedFrame | None) -> None:
        """Add one; ``captured`` is the frame that it came in, None where that is no longer at hand."""
        if captured is not None:
            reject |= {"file": str(path), "line": captured.line, "receive_time": captured.receive_time}
            try:
                reject["frame"] = captured.frame.decode()
            except UnicodeDecodeError:
                reject["frame_base64"] = b64encode(captured.frame).decode()
        self._file.write(msgspec.json.encode(reject) + b"\n")


class Normalizer:
    """Reads captures of one feed, then writes their trades by (venue, symbol, trade_id).

    The rules are those of the validator, but what the whole of the captures shows is used:
    repeats are found at any distance, so no id is stale, and age is no matter.

    Parameters
    ----------
    feed_name : of :data:`tickwire.venues.registry.FEEDS`
    folder : takes what does not fit into memory
    rejects : takes what is refused, or None
    max_ahead : ns that an exchange time may lie after the receive time
    """

    def __init__(self, feed_name: str, folder: Path, rejects: RejectFile | None, *, max_ahead: int) -> None:
        self._feed_name = feed_name
        self._rejects = rejects
        self._max_ahead = max_ahead
        self._runs = TradeRuns(folder)
        self._parsed = ParsedFrames()
        self._sources: list[tuple[int, CapturedFrame]] = []
        self._path = Path()
        self._rejected: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()
        self._quarantined_ids: dict[SymbolKey, list[int]] = {}
        self._announced = _Announced()
        self._statuses: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._quotes = 0
        self._progress = ProgressLine()
        self._began = time.monotonic()

    @property
    def frames(self) -> int:
        """How many frames were read."""
        return self._parsed.frames

    def counted(self) -> Counter[str]:
        """What the frames held that were no trades, by type and reason."""
        return self._parsed.ignored + self._rejected

    def read(self, path: Path) -> int:
        """Read one capture to its end, as one connection; give how many trades it held.

        Raises
        ------
        CaptureError
            If the file cannot be read to its end.
        """
        self._path = path
        feed = new_feed(self._feed_name)
        parsed = self._parsed
        held = total = 0
        flush_at = parsed.frames + _FLUSH
        for captured in read_capture(path, self._skipped):
            feed.parse_guarded(captured.frame, captured.receive_time or 0, parsed)
            if len(parsed.trades) > held:
                self._sources.append((held, captured))
                held = len(parsed.trades)
            if parsed.rejects:
                self._keep_rejects(captured)
            if held >= _FLUSH or parsed.frames >= flush_at:
                total += held
                self._flush()
                held, flush_at = 0, parsed.frames + _FLUSH
        self._flush()
        return total + held

    def write(self, out: IO[bytes]) -> dict[str, dict[str, Any]]:
        """Write all trades, and give the completeness of each symbol by ``venue:SYMBOL``."""
        symbols: dict[str, dict[str, Any]] = {}
        with TradeFileWriter(out) as file:
            for traded in self._runs.instruments():
                key = (traded.venue, traded.symbol)
                account = self._runs.account(
                    traded,
                    quarantined=np.unique(np.array(self._quarantined_ids.get(key, []), np.int64)),
                    last_id=self._announced.last_id(key),
                    max_jump=_MAX_ID_JUMP,
                )
                for trades, believed in self._runs.distinct(traded, account):
                    if believed:
                        file.write(trades)
                    else:
                        self._quarantine_far(trades)
                    self._progress.update(f"{file.rows:,} trades written")
                symbols[f"{traded.venue}:{traded.symbol}"] = {
                    "trades": account.trades,
                    "first_id": account.first_id,
                    "last_id": account.last_id,
                    "duplicates": account.duplicates,
                    "out_of_order": account.out_of_order,
                    "gaps": len(account.missing),
                    "missing_ids": sum(last - first + 1 for first, last in account.missing),
                    "missing_ranges": account.missing[:_SHOWN_RANGES],
                }
        self._progress.clear()
        return symbols

    def summary(self, symbols: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Give all counts; ``symbols`` as :meth:`write` gave them."""
        totals = {
            name: sum(symbol[name] for symbol in symbols.values())
            for name in ("trades", "duplicates", "out_of_order", "gaps", "missing_ids")
        }
        return {
            "frames": self._parsed.frames,
            **totals,
            "quotes": self._quotes,
            "rejected": dict(self._rejected),
            "quarantined": dict(self._quarantined),
            "ignored": dict(self._parsed.ignored),
            "checksum_failures": self._parsed.checksum_failures,
            "drift": dict(self._parsed.drift),
            "skipped_lines": dict(self._skipped),
            "statuses": dict(self._statuses),
            "symbols": symbols,
        }

    def _flush(self) -> None:
        parsed = self._parsed
        self._validate()
        self._announced.observe(parsed.heartbeats)
        for status in parsed.statuses:
            if status.text in self._statuses or len(self._statuses) < _SHOWN_STATUSES:
                self._statuses[status.text] += 1
        self._quotes += len(parsed.quotes)
        parsed.quotes = QuoteRows()
        parsed.heartbeats.clear()
        parsed.statuses.clear()
        self._sources.clear()
        rate = parsed.frames / max(time.monotonic() - self._began, 1e-9)
        self._progress.update(f"{self._path.name}: {parsed.frames:,} frames, {rate:,.0f}/s")

    def _validate(self) -> None:
        batch = self._parsed.trades.batch()
        known = np.ones(len(batch.instruments), np.bool_)
        rules = broken_rules(batch, known=known, max_age=_NO_MAX_AGE, max_ahead=self._max_ahead)
        starts = [start for start, _ in self._sources]
        for row, rule in enumerate(rules):
            if rule is not None:
                traded = batch.instruments[batch.instrument[row]]
                ids = self._quarantined_ids.setdefault((traded.venue, traded.symbol), [])
                ids.append(int(batch.trade_id[row]))
                self._quarantine(batch, row, rule=rule, captured=self._sources[bisect_right(starts, row) - 1][1])
        self._runs.add(batch.take(np.array([rule is None for rule in rules], np.bool_)))

    def _quarantine_far(self, trades: TradeBatch) -> None:
        for row in range(len(trades)):
            self._quarantine(trades, row, rule=Rule.ID_JUMP, captured=None)

    def _quarantine(self, batch: TradeBatch, row: int, *, rule: Rule, captured: CapturedFrame | None) -> None:
        self._quarantined[str(rule)] += 1
        if self._rejects is None:
            return
        traded = batch.instruments[batch.instrument[row]]
        trade = {
            "venue": traded.venue,
            "symbol": traded.symbol,
            "trade_id": int(batch.trade_id[row]),
            "price": format_fixed(int(batch.price[row]), traded.price_scale),
            "size": format_fixed(int(batch.size[row]), traded.size_scale),
            "side": Side(batch.side[row]).name.lower(),
            "exchange_time": int(batch.exchange_time[row]),
        }
        reject = {"kind": "trade", "reason": str(rule), "detail": explain(rule, batch, row), "trade": trade}
        self._rejects.write(reject, self._path, captured)

    def _keep_rejects(self, captured: CapturedFrame) -> None:
        for reject in self._parsed.rejects:
            self._rejected[str(reject.reason)] += 1
            if self._rejects is not None:
                fields = {"kind": "frame", "reason": str(reject.reason), "detail": reject.detail}
                self._rejects.write(fields, self._path, captured)
        self._parsed.rejects.clear()


class _Announced:
    """The last trade id that each symbol's heartbeats named, once a second has confirmed it."""

    def __init__(self) -> None:
        self._confirmed: dict[SymbolKey, int] = {}
        self._waiting: dict[SymbolKey, tuple[int, int]] = {}

    def observe(self, heartbeats: list[Heartbeat]) -> None:
        for beat in heartbeats:
            key = (beat.venue, beat.symbol)
            last_id, since = self._waiting.get(key, (-1, 0))
            if last_id <= beat.last_trade_id and beat.exchange_time - since >= _SECOND:
                self._confirmed[key] = max(self._confirmed.get(key, -1), last_id)
                self._waiting[key] = (beat.last_trade_id, beat.exchange_time)

    def last_id(self, key: SymbolKey) -> int:
        return self._confirmed.get(key, -1)
