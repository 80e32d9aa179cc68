import type { Continuity, Hour } from "./protocol";

export const HOUR_MS = 3_600_000;
const MAX_HOURS = 48;
const MIN_HOURS = 24;

/** Share of an hour's known ids that are accounted for, 0 to 1: stored, quarantined, or not had by the venue. */
export function hourCompleteness(hour: Hour): number {
  const ids = idsOf(hour);
  return ids > 0 ? 1 - hour.missing / ids : 1;
}

const idsOf = (hour: Hour): number => hour.trades + hour.missing + hour.absent + hour.quarantined;

/** All hours of a symbol as one. */
export function total(hours: Iterable<Hour>): Hour {
  const sum: Hour = { start: 0, trades: 0, missing: 0, absent: 0, quarantined: 0 };
  for (const hour of hours) {
    sum.trades += hour.trades;
    sum.missing += hour.missing;
    sum.absent += hour.absent;
    sum.quarantined += hour.quarantined;
  }
  return sum;
}

/** The hours to show, up to the newest that any symbol has: a day at least, two at most. */
export function shownHours(continuity: Iterable<Continuity>): number[] {
  let newest = -Infinity;
  let oldest = Infinity;
  for (const { hours } of continuity)
    for (const { start } of hours) {
      newest = Math.max(newest, start);
      oldest = Math.min(oldest, start);
    }
  if (newest === -Infinity) return [];
  const number = Math.min(MAX_HOURS, Math.max(MIN_HOURS, (newest - oldest) / HOUR_MS + 1));
  return Array.from({ length: number }, (_, k) => newest - (number - 1 - k) * HOUR_MS);
}

/** How bad it is, for a colour: each step is a tenth of the missing share of the next. */
export function grade(hour: Hour): "whole" | "trace" | "some" | "much" | "most" {
  if (hour.missing === 0) return "whole";
  const ids = idsOf(hour);
  return hour.missing * 1000 < ids ? "trace" : hour.missing * 100 < ids ? "some" : hour.missing * 10 < ids ? "much" : "most";
}
