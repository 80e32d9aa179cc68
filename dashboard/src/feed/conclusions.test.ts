import { describe, expect, it } from "vitest";
import { estimate, share } from "../format";
import { hits, mood, whyAbsent } from "./conclusions";
import { Market } from "./market";
import type { Item, Outcome, Prediction, Topic, Whale } from "./protocol";

const KEY = "binance:BTC-USDT";

function told(market: Market, topic: Topic, data: unknown[], symbol = KEY): void {
  const item: Item = { topic, symbol, data };
  market.apply({ type: "update", sent: 0, items: [item] }, 0);
}

const known = (market: Market) => market.symbols.get(KEY)!.conclusions;

function prediction(time: number, over: Partial<Prediction> = {}): Prediction {
  return { kind: "prediction", time, horizon: 900, close: 1, probability: 0.53, absent: "", model: "m", version: "7", variant: "champion", ...over };
}

function outcome(time: number, probability: number, rose: boolean | null): Outcome {
  return { kind: "outcome", time, horizon: 900, probability, model: "m", version: "7", variant: "champion", close: 1, closed_at: 1, rose };
}

function whale(started: number, over: Partial<Whale> = {}): Whale {
  return { venues: ["binance"], side: "buy", started, ended: started, trades: 1, notional: 9e5, price: 1, threshold: 8e5, first_id: started, last_id: started, ...over };
}

describe("a prediction", () => {
  it("is replaced by a newer one and not by a snapshot's older one", () => {
    const market = new Market();
    told(market, "predictions", [prediction(2)]);
    told(market, "predictions", [prediction(1), outcome(-5, 0.6, true)]);
    expect([known(market).prediction!.time, known(market).outcomes.length]).toEqual([2, 1]);
    told(market, "predictions", [prediction(3, { probability: null, absent: "unavailable" })]);
    expect(whyAbsent(known(market).prediction!.absent)).toBe("the model did not answer");
  });

  it("that is absent for a reason that this page does not know shows the reason as it came", () => {
    expect(whyAbsent("eclipse")).toBe("eclipse");
  });

  it("is scored by the side that was more probable, each once", () => {
    const market = new Market();
    const outcomes = [outcome(1, 0.6, true), outcome(2, 0.6, false), outcome(3, 0.4, false), outcome(4, 0.4, null), outcome(5, 0.5, true)];
    told(market, "predictions", outcomes);
    told(market, "predictions", outcomes.slice(0, 2));
    expect(hits(known(market).outcomes)).toEqual({ right: 2, of: 3 });
  });
});

it("shows a cluster as it has grown, newest first, and no more than fifty", () => {
  const market = new Market();
  told(market, "whales", [whale(1), whale(3)]);
  told(market, "whales", [whale(1, { trades: 4 }), whale(2)]);
  expect(known(market).whales.map((w) => [w.started, w.trades])).toEqual([[3, 1], [2, 1], [1, 4]]);
  told(market, "whales", Array.from({ length: 60 }, (_, k) => whale(100 + k)));
  expect([known(market).whales.length, known(market).whales[0]!.started]).toEqual([50, 159]);
});

it("keeps the newest indicators of each interval", () => {
  const market = new Market();
  const after = (interval: number, start: number) => ({ interval, start, values: { rsi_14: start } });
  told(market, "indicators", [after(60, 120), after(1, 130)]);
  told(market, "indicators", [after(60, 60), after(1, 131)]);
  expect([60, 1].map((interval) => known(market).indicators.get(interval)!.start)).toEqual([120, 131]);
});

it("takes neither the market nor a venue for a symbol", () => {
  const market = new Market();
  told(market, "sentiment", [{ time: 2, index: 62, symbols: 5, parts: [] }], "market:*");
  told(market, "sentiment", [{ time: 1, index: 40, symbols: 5, parts: [] }], "market:*");
  told(market, "anomalies", [{ anomaly: "silence", time: 1, value: 61, usual: 20, unit: "s", reason: "" }], "kraken:*");
  expect([market.symbols.size, market.sentiment!.index]).toEqual([0, 62]);
});

it("names the mood", () => {
  expect([0, 30, 50, 70, 100].map(mood)).toEqual(["fear", "uneasy", "neutral", "confident", "greed"]);
});

it("writes estimates with as many digits as they are worth", () => {
  expect([estimate(63501.5678), estimate(0.000123456789), estimate(null)]).toEqual(["63,501.6", "0.000123457", "–"]);
  expect([share(0.5312), share(-0.0004, 2), share(-0.00001, 2)]).toEqual(["53.1 %", "−0.04 %", "0.00 %"]);
});
