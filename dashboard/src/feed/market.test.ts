import { describe, expect, it } from "vitest";
import { decimal, percent } from "../format";
import { completeness, Market } from "./market";
import type { Bar, Item, Progress } from "./protocol";

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
