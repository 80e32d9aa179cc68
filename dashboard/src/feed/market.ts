import { conclude, type Conclusions, nothingConcluded } from "./conclusions";
import type { ConnectionState } from "./connection";
import type { Bar, Continuity, Health, Item, Latency, Notice, Progress, Quarantined, Quote, Sentiment, ServerMessage, Trade } from "./protocol";

export const INTERVALS = ["1s", "1m", "5m", "1h"] as const;
export type Interval = (typeof INTERVALS)[number];

const MAX_BARS = 900;
const MAX_TRADES = 60;
const MAX_ROWS = 200;
const RATE_WINDOW_MS = 5_000;
const LATENCY_SAMPLES = 512;

export interface SymbolView {
  key: string;
  venue: string;
  symbol: string;
  bars: Record<Interval, Bar[]>;
  trades: Trade[];
  quote: Quote | null;
  progress: Progress | null;
  conclusions: Conclusions;
  /** Last price and the one before it that differed. */
  price: number | null;
  previous: number | null;
  /** Newest receive time of a trade in its bars, ns. */
  received: number;
}

/** What the page knows of the market. Mutated by messages; `version` tells React that it changed. */
export class Market {
  readonly symbols = new Map<string, SymbolView>();
  readonly quarantined = new Map<string, Quarantined>();
  /** By `venue:SYMBOL`. */
  readonly continuity = new Map<string, Continuity>();
  readonly notices: Notice[] = [];
  sentiment: Sentiment | null = null;
  connection: ConnectionState = "connecting";
  stages: Latency["stage"] = {};
  lastError: string | null = null;
  private latencies: number[] = [];
  private counts: { at: number; total: number }[] = [];
  private listeners = new Set<() => void>();
  private barListeners = new Set<(key: string, interval: Interval, bar: Bar) => void>();
  private scheduled = false;
  version = 0;

  apply(message: ServerMessage, now: number = Date.now()): void {
    if (message.type === "error") this.lastError = `${message.code}: ${message.message}`;
    if (message.type !== "snapshot" && message.type !== "update") return;
    for (const item of message.items) this.item(item, message.type === "update", now);
    this.counts.push({ at: now, total: this.totals().accepted });
    while (this.counts.length > 2 && now - this.counts[0]!.at > RATE_WINDOW_MS) this.counts.shift();
    this.changed();
  }

  setConnection(state: ConnectionState): void {
    this.connection = state;
    if (state !== "live") this.counts = [];
    this.changed();
  }

  private item(item: Item, live: boolean, now: number): void {
    switch (item.topic) {
      case "bars.1s":
      case "bars.1m":
      case "bars.5m":
      case "bars.1h": {
        const interval = item.topic.slice(5) as Interval;
        const view = this.view(item.symbol);
        for (const bar of item.data as Bar[]) {
          this.bar(view, interval, bar);
          // Only a newer live trade tells latency: a bar that history was added to is no news of the feed.
          if (bar.final || bar.receive <= view.received) continue;
          view.received = bar.receive;
          if (live) this.latency(now - bar.receive / 1e6);
        }
        break;
      }
      case "trades":
        this.trades(this.view(item.symbol), item.data as Trade[]);
        break;
      case "quotes":
        this.view(item.symbol).quote = (item.data as Quote[]).at(-1) ?? null;
        break;
      case "health":
        for (const fact of item.data as Health[]) this.health(item.symbol, fact);
        break;
      case "sentiment":
        for (const mood of item.data as Sentiment[]) if (mood.time >= (this.sentiment?.time ?? 0)) this.sentiment = mood;
        break;
      default:
        // What concerns a whole venue is no row of the symbols' table.
        if (!item.symbol.endsWith("*")) conclude(this.view(item.symbol).conclusions, item);
    }
  }

  private bar(view: SymbolView, interval: Interval, bar: Bar): void {
    const bars = view.bars[interval];
    let index = bars.length;
    while (index > 0 && bars[index - 1]!.start > bar.start) index--;
    const twin = bars[index - 1];
    if (twin?.start === bar.start) {
      if (twin.revision > bar.revision) return;
      bars[index - 1] = bar;
    } else {
      bars.splice(index, 0, bar);
      if (bars.length > MAX_BARS) bars.shift();
    }
    if (bars.at(-1) === bar && interval === "1s") {
      const price = Number(bar.close);
      if (price !== view.price) [view.previous, view.price] = [view.price, price];
    }
    for (const listener of this.barListeners) listener(view.key, interval, bar);
  }

  private trades(view: SymbolView, trades: Trade[]): void {
    const known = new Set(view.trades.map((t) => t.id));
    view.trades = [...trades.filter((t) => !known.has(t.id)), ...view.trades]
      .sort((a, b) => b.id - a.id)
      .slice(0, MAX_TRADES);
  }

  private health(symbol: string, fact: Health): void {
    switch (fact.kind) {
      case "progress":
        this.view(symbol).progress = fact;
        break;
      case "continuity":
        this.continuity.set(symbol, fact);
        break;
      case "quarantined":
        this.quarantined.set(fact.key, fact);
        prune(this.quarantined);
        break;
      case "notice":
        this.notices.unshift(fact);
        this.notices.splice(MAX_ROWS);
        break;
      case "latency":
        this.stages = fact.stage;
    }
  }

  private view(key: string): SymbolView {
    let view = this.symbols.get(key);
    if (!view) {
      const [venue = "", symbol = ""] = key.split(":");
      view = { key, venue, symbol, bars: { "1s": [], "1m": [], "5m": [], "1h": [] }, trades: [], quote: null, progress: null, conclusions: nothingConcluded(), price: null, previous: null, received: 0 };
      this.symbols.set(key, view);
    }
    return view;
  }

  private latency(milliseconds: number): void {
    this.latencies.push(milliseconds);
    if (this.latencies.length > LATENCY_SAMPLES) this.latencies.shift();
  }

  /** Milliseconds from the ingestor's socket to this page, at a quantile of the newest bar updates. */
  latencyQuantile(quantile: number): number | null {
    if (this.latencies.length === 0) return null;
    const sorted = [...this.latencies].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))]!;
  }

  /** Trades a second over the last five seconds, by the validator's own count. */
  rate(): number {
    const first = this.counts[0];
    const last = this.counts.at(-1);
    if (!first || !last || last.at === first.at) return 0;
    return Math.max(0, ((last.total - first.total) * 1000) / (last.at - first.at));
  }

  totals(): { ids: number; accepted: number; missing: number; quarantined: number; duplicates: number } {
    const sum = { ids: 0, accepted: 0, missing: 0, quarantined: 0, duplicates: 0 };
    for (const { progress } of this.symbols.values()) {
      if (!progress) continue;
      sum.ids += progress.last_id - progress.first_id + 1;
      sum.accepted += progress.accepted;
      sum.missing += progress.missing;
      sum.quarantined += progress.quarantined;
      sum.duplicates += progress.duplicates;
    }
    return sum;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  onBar(listener: (key: string, interval: Interval, bar: Bar) => void): () => void {
    this.barListeners.add(listener);
    return () => this.barListeners.delete(listener);
  }

  // People read at most a few changes a second, so a burst of messages draws the page once.
  private changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      this.version++;
      for (const listener of this.listeners) listener();
    }, 120);
  }
}

function prune(map: Map<string, unknown>): void {
  while (map.size > MAX_ROWS) map.delete(map.keys().next().value as string);
}

/** Share of the ids between the first and the last one seen that are accounted for, 0 to 1. */
export function completeness(progress: Progress): number {
  const ids = progress.last_id - progress.first_id + 1;
  return ids > 0 ? 1 - progress.missing / ids : 1;
}
