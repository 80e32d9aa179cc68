import { describe, expect, it } from "vitest";
import { decimal, duration, moment, percent, short } from "../format";
import { completeness, Market } from "./market";
import type { Bar, Item, Progress, Trade } from "./protocol";

function bar(start: number, close: string, revision: number): Bar {
  return { start, open: close, high: close, low: close, close, vwap: close, volume: "1", buy_volume: "1", notional: close, trades: 1, revision, final: false, receive: 0 };
}

function update(market: Market, item: Item, now = 0): void {
  market.apply({ type: "update", sent: 0, items: [item] }, now);
}

const bars = (data: Bar[]): Item => ({ topic: "bars.1s", symbol: "binance:BTC-USDT", data });

function progress(over: Partial<Progress>): Progress {
  return { kind: "progress", venue: "kraken", symbol: "BTC-USD", first_id: 1, last_id: 10, accepted: 10, duplicates: 0, quarantined: 0, quarantined_ids: 0, missing: 0, missing_ranges: [], time: 0, ...over };
}

describe("bars", () => {
  it("keeps the newest revision, whichever comes last", () => {
    const market = new Market();
    update(market, bars([bar(1000, "5", 2)]));
    update(market, bars([bar(1000, "4", 1)]));
    expect(market.symbols.get("binance:BTC-USDT")!.bars["1s"].map((b) => b.close)).toEqual(["5"]);
  });

  it("puts a late bar in its place", () => {
    const market = new Market();
    update(market, bars([bar(1000, "1", 1), bar(3000, "3", 1)]));
    update(market, bars([bar(2000, "2", 1)]));
    expect(market.symbols.get("binance:BTC-USDT")!.bars["1s"].map((b) => b.start)).toEqual([1000, 2000, 3000]);
  });

  it("measures latency from the receive time of live updates only", () => {
    const market = new Market();
    market.apply({ type: "snapshot", items: [bars([bar(1000, "1", 1)])] }, 5_000_000);
    expect(market.latencyQuantile(0.5)).toBeNull();
    update(market, bars([{ ...bar(2000, "1", 1), receive: 4_000_000_000 }]), 4_120);
    expect(market.latencyQuantile(0.5)).toBeCloseTo(120);
  });
});

describe("what history fills", () => {
  const live = (start: number, receive: number, revision = 1): Bar => ({ ...bar(start, "1", revision), receive });

  it("is no latency, whether in a bar of its own or added to a live one", () => {
    const market = new Market();
    update(market, bars([live(1000, 2_000_000_000)]), 2_100);
    update(market, bars([live(1000, 2_000_000_000, 2), live(0, 0)]), 60_000);
    expect(market.latencyQuantile(1)).toBeCloseTo(100);
  });

  it("amends a bar in its place and leaves the last price alone", () => {
    const market = new Market();
    update(market, bars([bar(1000, "1", 3), bar(2000, "7", 1)]));
    update(market, bars([{ ...bar(1000, "5", 2 ** 40 + 9), final: true, amended: true }]));
    const view = market.symbols.get("binance:BTC-USDT")!;
    expect(view.bars["1s"].map((b) => [b.close, b.amended ?? false])).toEqual([["5", true], ["7", false]]);
    expect(view.price).toBe(7);
  });

  it("stands in the tape by its id", () => {
    const market = new Market();
    const trade = (id: number): Trade => ({ id, price: "1", size: "1", side: "buy", time: id, receive: 0, flags: [] });
    const item = (...ids: number[]): Item => ({ topic: "trades", symbol: "binance:BTC-USDT", data: ids.map(trade) });
    update(market, item(10, 12));
    update(market, item(11));
    expect(market.symbols.get("binance:BTC-USDT")!.trades.map((t) => t.id)).toEqual([12, 11, 10]);
  });
});

it("replaces the continuity of a symbol by what comes later", () => {
  const market = new Market();
  const item = (time: number): Item => ({
    topic: "health",
    symbol: "kraken:BTC-USD",
    data: [{ kind: "continuity", venue: "kraken", symbol: "BTC-USD", time, hours: [], gaps: [] }],
  });
  update(market, item(1));
  update(market, item(2));
  expect([...market.continuity.values()].map((c) => c.time)).toEqual([2]);
});

describe("completeness", () => {
  it("counts one missing id and never rounds up to 100", () => {
    const missing = progress({ last_id: 10_000_000, accepted: 9_999_999, missing: 1 });
    expect(completeness(missing)).toBeLessThan(1);
    expect(percent(completeness(missing))).toBe("99.9999 %");
    expect(percent(completeness(progress({})))).toBe("100 %");
  });

  it("gives the rate from the growth of the accepted count", () => {
    const market = new Market();
    const item = (accepted: number): Item => ({ topic: "health", symbol: "kraken:BTC-USD", data: [progress({ accepted })] });
    update(market, item(100), 1_000);
    update(market, item(600), 2_000);
    expect(market.rate()).toBeCloseTo(500);
  });
});

it("shows decimals without the zeros of the scale", () => {
  expect(decimal("61685.99000000")).toBe("61,685.99");
  expect(decimal("0.00004710")).toBe("0.0000471");
  expect(decimal("7.00000000", 0)).toBe("7");
});

it("shortens counts for small cells", () => {
  expect([7, 999, 5_300, 12_400, 999_499, 999_500].map(short)).toEqual(["7", "999", "5k", "12k", "999k", "1m"]);
});

it("says the date of a time only where it is not today's", () => {
  const now = Date.UTC(2026, 6, 8, 12);
  expect(moment(Date.UTC(2026, 6, 8, 3, 4, 5, 6), now)).toBe("03:04:05.006");
  expect(moment(Date.UTC(2026, 6, 7, 3, 4, 5, 6), now)).toBe("07-07 03:04:05");
});

it("says durations in units that people think in", () => {
  expect([4_230, 312_000, 9_000_000].map(duration)).toEqual(["4.2 s", "5.2 min", "2.5 h"]);
});
