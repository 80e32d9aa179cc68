/** Messages of the WebSocket API. Prices and sizes of the market are decimal text, exact as the exchange sent them. */

export const MARKET_TOPICS = ["bars.1s", "bars.1m", "trades", "quotes", "health"] as const;
/** Asked for when somebody wants to see them. */
export const LATER_TOPICS = ["bars.5m", "bars.1h"] as const;
export const CONCLUSION_TOPICS = ["indicators", "predictions", "signals", "whales", "anomalies", "sentiment"] as const;

export type Topic = (typeof MARKET_TOPICS)[number] | (typeof LATER_TOPICS)[number] | (typeof CONCLUSION_TOPICS)[number];

export interface Bar {
  /** Unix milliseconds, a multiple of the interval. */
  start: number;
  open: string;
  high: string;
  low: string;
  close: string;
  vwap: string;
  volume: string;
  buy_volume: string;
  notional: string;
  trades: number;
  /** Grows with every amendment; an older revision never replaces a newer one. */
  revision: number;
  final: boolean;
  /** Newest receive time among its live trades, ns; 0 where none is. */
  receive: number;
  /** Computed again from the stored trades after it had been final, because some came too late. */
  amended?: boolean;
}

export interface Trade {
  id: number;
  price: string;
  size: string;
  side: "buy" | "sell";
  /** Exchange time, Unix milliseconds. */
  time: number;
  receive: number;
  flags: string[];
}

export interface Quote {
  bid: string;
  bid_size: string;
  ask: string;
  ask_size: string;
  time: number;
}

export interface Progress {
  kind: "progress";
  venue: string;
  symbol: string;
  first_id: number;
  last_id: number;
  accepted: number;
  duplicates: number;
  quarantined: number;
  quarantined_ids: number;
  missing: number;
  missing_ranges: [number, number][];
  time: number;
}

/** A gap as it was noticed; what became of it is in the symbol's `Continuity`. */
export interface Gap {
  kind: "gap";
  venue: string;
  symbol: string;
  first: number;
  last: number;
  cause: string;
  noticed: number;
  after_time: number;
  before_time: number;
}

export interface Hour {
  /** Unix milliseconds. */
  start: number;
  trades: number;
  missing: number;
  /** Ids that the venue itself does not have. */
  absent: number;
  /** Ids that are known only from rows that broke a rule. */
  quarantined: number;
}

/** What became of the ids `first` to `last`. Times are ns, 0 where unknown or not yet. */
export interface GapState {
  first: number;
  last: number;
  cause: string;
  noticed: number;
  /** Exchange times between which its trades must lie. */
  after_time: number;
  before_time: number;
  remaining: number;
  live: number;
  history: number;
  absent: number;
  quarantined: number;
  closed: number;
}

/** The last hours and gaps of a symbol. Absolute: it replaces what was said before. */
export interface Continuity {
  kind: "continuity";
  venue: string;
  symbol: string;
  time: number;
  hours: Hour[];
  gaps: GapState[];
}

export interface Quarantined {
  kind: "quarantined";
  key: string;
  venue: string;
  symbol: string;
  trade_id: number;
  rule: string;
  detail: string;
  price: string;
  size: string;
  side: number;
  exchange_time: number;
  receive_time: number;
}

export interface Notice {
  kind: "notice";
  venue: string;
  notice?: string;
  text: string;
  count: number;
  time: number;
}

export interface Latency {
  kind: "latency";
  /** Milliseconds that each stage took, transport to it included; the ingestor's is from the socket. */
  stage: Record<string, number>;
}

export type Health = Progress | Gap | Continuity | Quarantined | Notice | Latency;

/** Estimates are JSON numbers, and their times Unix milliseconds; what there is none of is null. */
export interface Indicators {
  interval: number;
  /** Of the bar after which they stand. */
  start: number;
  values: Record<string, number | null>;
}

export interface Prediction {
  kind: "prediction";
  time: number;
  /** Seconds. */
  horizon: number;
  close: number;
  /** Of a higher close at the horizon; null where `absent` says why. */
  probability: number | null;
  absent: string;
  model: string;
  version: string;
  variant: string;
}

/** What became of the prediction of `time`; `rose` is null where it closed level. */
export interface Outcome {
  kind: "outcome";
  time: number;
  horizon: number;
  probability: number;
  model: string;
  version: string;
  variant: string;
  close: number;
  closed_at: number;
  rose: boolean | null;
}

export interface Signal {
  time: number;
  horizon: number;
  direction: "long" | "short" | "flat";
  confidence: number;
  price: number;
  /** The price at which it is void. */
  invalidation: number | null;
  /** Fraction of the price, after costs. */
  expected_move: number;
  reason: string;
}

/** One of the same `started`, `side`, `first_id` and `venues` replaces it: a cluster grows. */
export interface Whale {
  venues: string[];
  side: "buy" | "sell" | "unknown";
  started: number;
  ended: number;
  trades: number;
  notional: number;
  price: number;
  threshold: number;
  first_id: number;
  last_id: number;
}

export interface Anomaly {
  anomaly: string;
  time: number;
  value: number;
  usual: number;
  unit: string;
  reason: string;
}

/** The mood of the market: 0 (fear) to 100 (greed). */
export interface Sentiment {
  time: number;
  index: number;
  symbols: number;
  parts: { name: string; score: number; weight: number; value: number }[];
}

export interface Item {
  topic: Topic;
  /** `venue:SYMBOL`, `venue:*`, `market:*` or `*`. */
  symbol: string;
  data: unknown[];
  /** Of an update: where it comes from, and the numbers that it stands for. What is not numbered has none of them. */
  source?: number;
  from?: number;
  to?: number;
  /** Of a snapshot: by source, the number up to which it has everything. */
  positions?: Record<string, number>;
}

/** What cannot be continued from where the client was; a snapshot follows. */
export interface ResetItem {
  topic: Topic;
  symbol: string;
  source: number;
  reason: "expired" | "unknown" | "unavailable";
}

/** `id` is what the client called the message that is answered. */
export type ServerMessage =
  | { type: "snapshot"; items: Item[] }
  | { type: "update"; sent: number; items: Item[]; replay?: boolean }
  | { type: "subscribed"; topics: Topic[]; symbols: string[]; id?: string }
  | { type: "unsubscribed"; topics: Topic[]; symbols: string[]; id?: string }
  | { type: "reset"; items: ResetItem[] }
  | { type: "resumed"; replayed: number; reset: number; id?: string }
  | { type: "pong"; id?: string }
  | { type: "error"; code: string; message: string; id?: string };
