import { expect, test } from "vitest";
import { money } from "../format";
import { summary } from "./Operations";
import { positionRequest } from "./Risk";

const VALUES = { account: "10000", risk: "1", entry: "50000", stop: "49000", target: "", fee: "0.1", leverage: "" };

test("a position is asked for in fractions, and without what was left empty", () => {
  expect(positionRequest("long", VALUES)).toEqual({
    side: "long",
    account: "10000",
    entry: "50000",
    stop: "49000",
    risk_fraction: "0.01",
    fee_rate: "0.001",
    leverage: "1",
  });
  expect(positionRequest("short", { ...VALUES, target: "40000", leverage: "5" })).toMatchObject({ target: "40000", leverage: "5" });
});

test("percent become fractions without a trace of binary", () => {
  expect(positionRequest("long", { ...VALUES, risk: "0.5", fee: "0.07" })).toMatchObject({ risk_fraction: "0.005", fee_rate: "0.0007" });
});

test("nothing is asked for before it can be answered", () => {
  for (const name of ["account", "risk", "entry", "stop"]) {
    expect(positionRequest("long", { ...VALUES, [name]: "" })).toBeNull();
    expect(positionRequest("long", { ...VALUES, [name]: "12x" })).toBeNull();
  }
});

test("what redriving came to is one sentence", () => {
  const good = { done: true, outcome: "1 trade", trades: 1 };
  const bad = { done: false, outcome: "not JSON", trades: 0 };
  expect(summary([good])).toBe("1 of 1 redriven, 1 trade sent.");
  expect(summary([good, bad])).toBe("1 of 2 redriven, 1 trade sent. The first that stays: not JSON.");
});

test("money has a true minus and no more digits than it is worth", () => {
  expect(money(-1234.567)).toBe("−1,234.57");
  expect(money(1_234_567.8)).toBe("1,234,568");
  expect(money(0)).toBe("0.00");
});
