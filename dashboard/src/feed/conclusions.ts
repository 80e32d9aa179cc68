import type { Anomaly, Indicators, Item, Outcome, Prediction, Signal, Whale } from "./protocol";

const MAX_ROWS = 50;

/** What is concluded of one symbol, lists from the newest on. */
export interface Conclusions {
  prediction: Prediction | null;
  outcomes: Outcome[];
  signal: Signal | null;
  whales: Whale[];
  anomalies: Anomaly[];
  /** By interval in seconds. */
  indicators: Map<number, Indicators>;
}

export function nothingConcluded(): Conclusions {
  return { prediction: null, outcomes: [], signal: null, whales: [], anomalies: [], indicators: new Map() };
}

/** Take in what a message says of a symbol; a snapshot may come after newer updates. */
export function conclude(known: Conclusions, item: Item): void {
  switch (item.topic) {
    case "predictions":
      for (const one of item.data as (Prediction | Outcome)[])
        if (one.kind === "prediction") known.prediction = newer(known.prediction, one);
        else known.outcomes = merged(known.outcomes, [one], (o) => `${o.time}:${o.horizon}`, (o) => o.time);
      break;
    case "signals":
      for (const signal of item.data as Signal[]) known.signal = newer(known.signal, signal);
      break;
    case "whales": {
      const name = (w: Whale): string => `${w.started}:${w.side}:${w.first_id}:${w.venues.join()}`;
      known.whales = merged(known.whales, item.data as Whale[], name, (w) => w.started);
      break;
    }
    case "anomalies":
      known.anomalies = merged(known.anomalies, item.data as Anomaly[], (a) => `${a.time}:${a.anomaly}`, (a) => a.time);
      break;
    case "indicators":
      for (const one of item.data as Indicators[])
        if ((known.indicators.get(one.interval)?.start ?? 0) <= one.start) known.indicators.set(one.interval, one);
  }
}

function newer<T extends { time: number }>(known: T | null, one: T): T {
  return known !== null && known.time > one.time ? known : one;
}

function merged<T>(known: T[], news: T[], name: (one: T) => string, time: (one: T) => number): T[] {
  const all = new Map([...known, ...news].map((one) => [name(one), one]));
  return [...all.values()].sort((a, b) => time(b) - time(a)).slice(0, MAX_ROWS);
}

const WHY: Record<string, string> = {
  warming_up: "its history is still too short",
  halted: "too many of its bars are missing",
  late: "its newest minute lies too far back",
  unavailable: "the model did not answer",
  refused: "the model did not take the rows",
};

/** Why there is no prediction, in words. */
export const whyAbsent = (absent: string): string => WHY[absent] ?? absent;

/** How many of the outcomes went the way that was more probable; those that closed level, or were even, tell nothing. */
export function hits(outcomes: Outcome[]): { right: number; of: number } {
  const told = outcomes.filter((o) => o.rose !== null && o.probability !== 0.5);
  return { right: told.filter((o) => o.probability > 0.5 === o.rose).length, of: told.length };
}

/** The index of the market's mood in a word. */
export function mood(index: number): string {
  if (index < 25) return "fear";
  if (index < 45) return "uneasy";
  if (index <= 55) return "neutral";
  return index <= 75 ? "confident" : "greed";
}
