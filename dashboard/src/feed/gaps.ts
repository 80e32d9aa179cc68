import type { Continuity, GapState } from "./protocol";

export interface GapRow extends GapState {
  key: string;
  venue: string;
  symbol: string;
  state: "open" | "filling" | "closed";
  ids: number;
}

/** Every gap of every symbol: those not closed before the closed ones, each from the newest on. */
export function gapRows(continuity: Map<string, Continuity>): GapRow[] {
  const rows: GapRow[] = [];
  for (const { venue, symbol, gaps } of continuity.values())
    for (const gap of gaps) {
      const ids = gap.last - gap.first + 1;
      const state = gap.remaining === 0 ? "closed" : gap.remaining < ids ? "filling" : "open";
      rows.push({ ...gap, venue, symbol, ids, state, key: `${venue}:${symbol}:${gap.first}:${gap.noticed}` });
    }
  return rows.sort(
    (a, b) => Number(a.state === "closed") - Number(b.state === "closed") || b.noticed - a.noticed || b.first - a.first,
  );
}
