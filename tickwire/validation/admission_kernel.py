"""The loops of :mod:`tickwire.validation.admission`: which trades come in."""

import numpy as np

from tickwire.columns import Bool, Int8, Int32, Int64, TradeFlag
from tickwire.compiled import borrowed, kernel, step
from tickwire.validation.admission import (
    ACCEPTED,
    DUPLICATE,
    LEFT_MISSING,
    LEFT_QUARANTINED,
    OPENED,
    QUARANTINED,
)
from tickwire.validation.price_band_kernel import watch
from tickwire.validation.rules import HISTORY, MAX_SIZE, MAX_TIME, RULE_CODES, Rule
from tickwire.validation.symbol_row import Row

_SYMBOL = RULE_CODES[Rule.SYMBOL]
_TRADE_ID = RULE_CODES[Rule.TRADE_ID]
_PRICE = RULE_CODES[Rule.PRICE]
_SIZE = RULE_CODES[Rule.SIZE]
_SIDE = RULE_CODES[Rule.SIDE]
_TIME = RULE_CODES[Rule.TIME]

_HISTORY = int(HISTORY)
_REDRIVEN = int(TradeFlag.REDRIVEN)

_FIRST_ID = int(Row.FIRST_ID)
_LAST_ID = int(Row.LAST_ID)
_LAST_TIME = int(Row.LAST_TIME)
_ACCEPTED = int(Row.ACCEPTED)
_DUPLICATES = int(Row.DUPLICATES)
_QUARANTINED = int(Row.QUARANTINED)
_ASK_UNTIL = int(Row.ASK_UNTIL)
_ASK_ALWAYS = int(Row.ASK_ALWAYS)
_PRICES = int(Row.PRICES)

_OPEN = 512
"""Holes, and ids known only from quarantine, that one batch may leave open at once in a symbol; with more it is judged
row by row."""


@step
def broken_rule(
    trade_id: int, price: int, size: int, side: int, exchange: int, receive: int, flags: int, limits: Int64
) -> int:
    """Give the code of the first rule that a row of a known symbol breaks, or 0; see ``rules.broken_rules``."""
    if trade_id <= 0:
        return _TRADE_ID
    if price <= 0:
        return _PRICE
    if size <= 0 or size > MAX_SIZE:
        return _SIZE
    if side != 1 and side != 2:
        return _SIDE
    if not (0 < exchange < MAX_TIME and 0 <= receive < MAX_TIME):
        return _TIME
    if receive != 0:
        age = receive - exchange
        if age < -limits[1] or (age > limits[0] and flags & _HISTORY == 0):
            return _TIME
    return 0


@kernel(
    "void(int32[::1], int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int64[::1], int8[::1], int64[::1],"
    " int64[::1], int8[::1])"
)
def apply_rules(
    instrument: Int32,
    trade_id: Int64,
    price: Int64,
    size: Int64,
    side: Int8,
    exchange_time: Int64,
    receive_time: Int64,
    flags: Int8,
    places: Int64,
    limits: Int64,
    codes: Int8,
) -> None:
    """Write the first rule that each row breaks, or 0, into ``codes``; arguments as in :func:`judge`.

    ``limits`` are the max age and the max ahead, ns.
    """
    max_age, max_ahead = limits[0], limits[1]
    for row in range(len(trade_id)):
        exchange, receive, number = exchange_time[row], receive_time[row], size[row]
        age = receive - exchange
        # Without a jump between the conditions: nearly every row keeps them all.
        good = (
            (places[instrument[row]] >= 0)
            & (trade_id[row] > 0)
            & (price[row] > 0)
            & (number > 0)
            & (number <= MAX_SIZE)
            & ((side[row] == 1) | (side[row] == 2))
            & (exchange > 0)
            & (exchange < MAX_TIME)
            & (receive > 0)
            & (receive < MAX_TIME)
            & (age <= max_age)
            & (age >= -max_ahead)
        )
        if good:
            codes[row] = 0
        elif places[instrument[row]] < 0:
            codes[row] = _SYMBOL
        else:
            codes[row] = broken_rule(
                trade_id[row], price[row], number, side[row], exchange, receive, flags[row], limits
            )


@kernel(
    "int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int8[::1],"
    " int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64, int8[::1], boolean[::1], int64[:, ::1],"
    " int64, int64[:, ::1], int64[::1], int8[::1])"
)
def judge(
    order: Int64,
    bounds: Int64,
    trade_id: Int64,
    price: Int64,
    exchange_time: Int64,
    flags: Int8,
    places: Int64,
    rows: Int64,
    rings: Int64,
    band: Int64,
    max_jump: int,
    codes: Int8,
    by_row: Bool,
    events: Int64,
    told_from: int,
    told_missing: Int64,
    told_quarantined: Int64,
    wanted_rows: Int8,
) -> int:
    """Judge every row of a batch, symbol by symbol, in the order of arrival; give the number of events.

    What :class:`~tickwire.validation.sequence.TradeSequence` would make of the rows, so far as that hangs on
    ids above the last one of the symbol, or on older ones of which it was told what they are. A symbol with any
    other row is left as it was.

    Parameters
    ----------
    order, bounds : rows by instrument, from :func:`~tickwire.validation.arrange_kernel.group`
    trade_id, price, exchange_time, flags : the batch's columns; prices out of the band get their flag
    places : by instrument, its row in ``rows`` and ``rings``, or less than 0 for a symbol that is not carried
    rows, rings : the table's numbers and prices, changed in place
    band, max_jump : ``BandSettings.numbers``; how far ahead an id may be (ids)
    codes : in, by row, 0 or the rule that it breaks; out, ACCEPTED, DUPLICATE, or the rule
    by_row : out, by instrument, whether its rows are still to be judged
    events : out, (4 n + 1 + what was told, 6): kind, instrument, first, last, after time, before time; of
        LEFT_MISSING the fifth is the event in which the ids were opened, -1 where they were told of
    told_from : of a single symbol, all that is missing, quarantined or absent from this id on is told in
    told_missing, told_quarantined : ranges (k, 2) and ids (k,), rising, :data:`MAX_TOLD` at most
    wanted_rows : (n,), room to work in
    """
    order, trade_id, price, flags = borrowed(order), borrowed(trade_id), borrowed(price), borrowed(flags)
    rows, rings, band, codes = borrowed(rows), borrowed(rings), borrowed(band), borrowed(codes)
    count = 0
    hole_first, hole_last = np.empty(_OPEN + 1, np.int64), np.empty(_OPEN + 1, np.int64)
    hole_event = np.empty(_OPEN + 1, np.int64)
    bad = np.empty(_OPEN, np.int64)
    wanted = borrowed(wanted_rows)
    memory = rings.shape[1]
    for index in range(len(places)):
        by_row[index] = False
        begin, end = bounds[index], bounds[index + 1]
        if begin == end or places[index] < 0:
            continue
        symbol = places[index]
        if rows[symbol, _ASK_ALWAYS] != 0:
            by_row[index] = True
            continue
        first, last = rows[symbol, _FIRST_ID], rows[symbol, _LAST_ID]
        newest = np.int64(-1)
        base = last
        ask_until = min(rows[symbol, _ASK_UNTIL], base, told_from - 1)
        accepted, duplicates, quarantined = np.int64(0), np.int64(0), np.int64(0)
        holes, bads, events_before = len(told_missing), len(told_quarantined), count
        for k in range(holes):
            hole_first[k], hole_last[k], hole_event[k] = told_missing[k, 0], told_missing[k, 1], -1
        for k in range(bads):
            bad[k] = told_quarantined[k]
        handed_over = False
        for k in range(begin, end):
            row = order[k]
            trade, code = trade_id[row], codes[row]
            if trade == last + 1 and code == 0 and last >= first:
                last = trade
                newest = row
                accepted += 1
                wanted[k] = 1
                continue
            wanted[k] = 0
            counts = np.int64(0) if flags[row] & _REDRIVEN else np.int64(1)
            if code == _TRADE_ID:
                quarantined += counts
                continue
            if last < first:
                first = trade
            elif trade > last:
                if trade - last > max_jump or holes == _OPEN:
                    handed_over = True
                    break
                if trade > last + 1:
                    hole_first[holes], hole_last[holes], hole_event[holes] = last + 1, trade - 1, count
                    holes += 1
                    events[count, 0], events[count, 1] = OPENED, index
                    events[count, 2], events[count, 3] = last + 1, trade - 1
                    events[count, 4] = exchange_time[newest] if newest >= 0 else rows[symbol, _LAST_TIME]
                    events[count, 5] = exchange_time[row]
                    count += 1
            else:
                # Not above the last id: is it one of those that were skipped, or are known only from a bad row?
                if trade < first or trade <= ask_until:
                    handed_over = True
                    break
                found = holes - 1
                while found >= 0 and hole_first[found] > trade:
                    found -= 1
                if found >= 0 and trade <= hole_last[found]:
                    if hole_first[found] < trade < hole_last[found]:
                        if holes == _OPEN:
                            handed_over = True
                            break
                        for k2 in range(holes, found, -1):
                            hole_first[k2], hole_last[k2] = hole_first[k2 - 1], hole_last[k2 - 1]
                            hole_event[k2] = hole_event[k2 - 1]
                        hole_last[found], hole_first[found + 1] = trade - 1, trade + 1
                        holes += 1
                    elif hole_first[found] < trade:
                        hole_last[found] = trade - 1
                    elif trade < hole_last[found]:
                        hole_first[found] = trade + 1
                    else:
                        holes -= 1
                        for k2 in range(found, holes):
                            hole_first[k2], hole_last[k2] = hole_first[k2 + 1], hole_last[k2 + 1]
                            hole_event[k2] = hole_event[k2 + 1]
                else:
                    found = bads - 1
                    while found >= 0 and bad[found] != trade:
                        found -= 1
                    if code != 0:
                        quarantined += counts
                        if found >= 0:
                            events[count, 0], events[count, 1], events[count, 2] = QUARANTINED, index, trade
                            count += 1
                        continue
                    if found < 0:
                        codes[row] = DUPLICATE
                        duplicates += counts
                        continue
                    bads -= 1
                    bad[found] = bad[bads]
                if code == 0 and trade == last:
                    newest = row
            if trade > last:
                last = trade
                if code == 0:
                    newest = row
            if code == 0:
                accepted += 1
                # Only the newest trades: an old one that fills a gap belongs to the prices of its own time.
                wanted[k] = trade > last - memory
            else:
                if bads == _OPEN:
                    handed_over = True
                    break
                quarantined += counts
                bad[bads] = trade
                bads += 1
                events[count, 0], events[count, 1], events[count, 2] = QUARANTINED, index, trade
                count += 1
        if handed_over:
            by_row[index] = True
            count = events_before
            for k in range(begin, end):
                if codes[order[k]] == DUPLICATE:
                    codes[order[k]] = ACCEPTED
            continue
        rows[symbol, _FIRST_ID], rows[symbol, _LAST_ID] = first, last
        if newest >= 0:
            rows[symbol, _LAST_TIME] = exchange_time[newest]
        rows[symbol, _ACCEPTED] += accepted
        rows[symbol, _DUPLICATES] += duplicates
        rows[symbol, _QUARANTINED] += quarantined
        for k in range(holes):
            events[count, 0], events[count, 1] = LEFT_MISSING, index
            events[count, 2], events[count, 3], events[count, 4] = hole_first[k], hole_last[k], hole_event[k]
            count += 1
        for k in range(bads):
            events[count, 0], events[count, 1], events[count, 2] = LEFT_QUARANTINED, index, bad[k]
            count += 1
        watch(rows, _PRICES, rings, band, symbol, order, begin, end, price, wanted, flags)
    return count
