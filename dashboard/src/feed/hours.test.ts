import { describe, expect, it } from "vitest";
import { percent } from "../format";
import { grade, HOUR_MS, hourCompleteness, shownHours, total } from "./hours";
import type { Continuity, Hour } from "./protocol";

function hour(over: Partial<Hour>): Hour {
  return { start: 0, trades: 0, missing: 0, absent: 0, quarantined: 0, ...over };
}

const continuity = (...hours: Hour[]): Continuity => ({ kind: "continuity", venue: "v", symbol: "A-B", time: 0, hours, gaps: [] });

describe("an hour", () => {
  it("is complete when every id is stored, quarantined or not had by the venue", () => {
    expect(hourCompleteness(hour({ trades: 10, absent: 3, quarantined: 2 }))).toBe(1);
    expect(hourCompleteness(hour({ trades: 5, missing: 1, absent: 3, quarantined: 1 }))).toBeCloseTo(0.9);
    expect(hourCompleteness(hour({ missing: 7 }))).toBe(0);
  });

  it("is never shown as 100 % with one of a million missing", () => {
    const almost = hour({ trades: 9_999_999, missing: 1 });
    expect(percent(hourCompleteness(almost))).toBe("99.9999 %");
    expect(grade(almost)).toBe("trace");
  });

  it("is graded by its missing share", () => {
    const grades = [0, 1, 10, 100, 1_000].map((missing) => grade(hour({ trades: 10_000 - missing, missing })));
    expect(grades).toEqual(["whole", "trace", "some", "much", "most"]);
  });
});

it("adds up the hours of a symbol", () => {
  const sum = total([hour({ trades: 1, missing: 2 }), hour({ trades: 3, absent: 4, quarantined: 5 })]);
  expect(sum).toEqual(hour({ trades: 4, missing: 2, absent: 4, quarantined: 5 }));
});

describe("the hours shown", () => {
  it("end with the newest of any symbol and are a day at least", () => {
    const starts = shownHours([continuity(hour({ start: 30 * HOUR_MS })), continuity(hour({ start: 31 * HOUR_MS }))]);
    expect([starts.length, starts[0], starts.at(-1)]).toEqual([24, 8 * HOUR_MS, 31 * HOUR_MS]);
  });

  it("are two days at most", () => {
    const starts = shownHours([continuity(hour({ start: 0 }), hour({ start: 100 * HOUR_MS }))]);
    expect([starts.length, starts.at(-1)]).toEqual([48, 100 * HOUR_MS]);
  });

  it("are none before the first is known", () => {
    expect(shownHours([continuity()])).toEqual([]);
  });
});
