import { expect, it } from "vitest";
import { gapRows } from "./gaps";
import type { Continuity, GapState } from "./protocol";

function gap(over: Partial<GapState>): GapState {
  const none = { after_time: 0, before_time: 0, live: 0, history: 0, absent: 0, quarantined: 0, closed: 0 };
  return { first: 1, last: 10, cause: "id_jump", noticed: 0, remaining: 10, ...none, ...over };
}

function continuity(symbol: string, ...gaps: GapState[]): [string, Continuity] {
  return [`kraken:${symbol}`, { kind: "continuity", venue: "kraken", symbol, time: 0, hours: [], gaps }];
}

it("puts gaps that need filling before those closed, each from the newest on", () => {
  const rows = gapRows(
    new Map([
      continuity("A-USD", gap({ noticed: 1, remaining: 0, live: 10 }), gap({ noticed: 4, first: 21, last: 30, remaining: 3, history: 7 })),
      continuity("B-USD", gap({ noticed: 3, remaining: 0, absent: 10 }), gap({ noticed: 2 })),
    ]),
  );
  expect(rows.map((row) => [row.symbol, row.noticed, row.state])).toEqual([
    ["A-USD", 4, "filling"],
    ["B-USD", 2, "open"],
    ["B-USD", 3, "closed"],
    ["A-USD", 1, "closed"],
  ]);
});

it("tells ids that were reopened from the gap that they were in before", () => {
  const twice = [gap({ noticed: 1, remaining: 0, live: 10 }), gap({ noticed: 2, cause: "reopened" })];
  expect(new Set(gapRows(new Map([continuity("A-USD", ...twice)])).map((row) => row.key)).size).toBe(2);
});
