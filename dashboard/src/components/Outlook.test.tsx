import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { Market } from "../feed/market";
import type { Item, Topic } from "../feed/protocol";
import { Outlook } from "./Outlook";

const KEY = "binance:BTC-USDT";

/** The words of the panel after these data, in the order in which they are read. */
function panel(data: Partial<Record<Topic, unknown[]>>): string {
  const market = new Market();
  const items = Object.entries(data).map(([topic, some]) => ({ topic, symbol: topic === "sentiment" ? "market:*" : KEY, data: some }) as Item);
  market.apply({ type: "snapshot", items }, 0);
  const markup = renderToStaticMarkup(<Outlook market={market} view={market.symbols.get(KEY)} />);
  return markup.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
}

const prediction = (over: object) => ({
  kind: "prediction", time: Date.now() - 12_000, horizon: 900, close: 1, probability: 0.5312, absent: "", model: "direction", version: "7", variant: "champion", ...over,
});

it("shows a prediction with what made it and how old it is", () => {
  expect(panel({ predictions: [prediction({})] })).toMatch(/^in 15\.0 min 53\.1 % higher direction 7, champion, 1\d\.\d s old$/);
});

it("says in words why there is no prediction", () => {
  const absent = prediction({ probability: null, absent: "halted", model: "", version: "", variant: "" });
  expect(panel({ predictions: [absent] })).toMatch(/^in 15\.0 min no prediction too many of its bars are missing 1\d\.\d s old$/);
});

it("shows the signal with its reason, and where it is void only if it is anywhere", () => {
  const signal = { time: 1, horizon: 900, direction: "short", confidence: 0.062, price: 100, invalidation: 101.25, expected_move: -0.0004, reason: "Costs eat it." };
  expect(panel({ signals: [signal] })).toBe("signal short −0.04 % after costs, 6 % confident, void at 101.25. Costs eat it.");
  expect(panel({ signals: [{ ...signal, direction: "flat", invalidation: null }] })).toBe("signal flat −0.04 % after costs, 6 % confident. Costs eat it.");
});

it("shows whales, anomalies, indicators and the market's mood", () => {
  const whale = { venues: ["binance", "kraken"], side: "sell", started: 3_723_000, ended: 3_724_000, trades: 4, notional: 912_345.6, price: 63_501.5, threshold: 8e5, first_id: 0, last_id: 0 };
  const words = panel({
    sentiment: [{ time: 0, index: 62.4, symbols: 5, parts: [{ name: "momentum", score: 70, weight: 1, value: 0.1 }] }],
    indicators: [{ interval: 60, start: 0, values: { rsi_14: 55.5, imbalance_20: null } }],
    anomalies: [{ anomaly: "silence", time: 3_600_000, value: 61, usual: 20, unit: "s", reason: "no trade for 61 s" }],
    whales: [whale],
  });
  expect(words).toBe(
    "market 62 of 100, confident rsi 14 55.5 imbalance 20 – 01:00:00 silence no trade for 61 s" +
      " 01:02:03 whale sold 912k at 63,501.5 in 4 trades on binance, kraken",
  );
});

it("says so where there is nothing", () => {
  expect(panel({})).toBe("Nothing is concluded of this symbol yet.");
});
