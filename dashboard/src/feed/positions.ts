import type { Item, ServerMessage } from "./protocol";

/** By topic, symbol and source, the number of the last that is known; the form in which the server takes them. */
export type PositionsBySource = Record<string, Record<string, Record<string, number>>>;

/**
 * How far the numbers of what was told are known, and where they have holes. Data may be applied twice, so numbers are
 * there to see what is missing and for nothing else.
 */
export class Positions {
  private readonly known = new Map<string, Map<string, number>>();

  /** Take a message in; gives the keys that it leaves a hole in. */
  take(message: ServerMessage): string[] {
    if (message.type === "reset") {
      for (const item of message.items) this.known.get(nameOf(item.topic, item.symbol))?.delete(String(item.source));
      return [];
    }
    if (message.type !== "snapshot" && message.type !== "update") return [];
    return message.items.filter((item) => this.item(item)).map((item) => nameOf(item.topic, item.symbol));
  }

  /** Forget what is not listened to any more. */
  keep(wanted: (topic: string, symbol: string) => boolean): void {
    for (const key of this.known.keys()) if (!wanted(...partsOf(key))) this.known.delete(key);
  }

  /** The positions of some keys, or of all. */
  of(keys: Iterable<string> = this.known.keys()): PositionsBySource {
    const found: PositionsBySource = {};
    for (const key of keys) {
      const sources = this.known.get(key);
      if (sources === undefined || sources.size === 0) continue;
      const [topic, symbol] = partsOf(key);
      (found[topic] ??= {})[symbol] = Object.fromEntries(sources);
    }
    return found;
  }

  private item(item: Item): boolean {
    const key = nameOf(item.topic, item.symbol);
    if (item.positions !== undefined) this.known.set(key, new Map(Object.entries(item.positions)));
    if (item.source === undefined || item.from === undefined || item.to === undefined) return false;
    const source = String(item.source);
    const sources = this.known.get(key);
    if (sources === undefined) {
      // Its snapshot is still to come, and brings a position; or there was nothing yet, and this is the beginning.
      if (item.from === 1) this.known.set(key, new Map([[source, item.to]]));
      return false;
    }
    const known = sources.get(source) ?? 0;
    const hole = item.from > known + 1;
    // It stays before the hole, so that what is asked for begins there; what fills it goes on from there.
    sources.set(source, hole ? known : Math.max(known, item.to));
    return hole;
  }
}

const nameOf = (topic: string, symbol: string): string => `${topic}#${symbol}`;

function partsOf(key: string): [topic: string, symbol: string] {
  const cut = key.indexOf("#");
  return [key.slice(0, cut), key.slice(cut + 1)];
}
