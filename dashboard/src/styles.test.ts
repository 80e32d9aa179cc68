/// <reference types="vite/client" />
import sheet from "./styles.css?raw";
import { describe, expect, test } from "vitest";

const tokens = new Map(
  [...sheet.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [name!, { light: light!, dark: dark! }]),
);

/** WCAG 2.2, "relative luminance" and "contrast ratio". */
function luminance(colour: string): number {
  const channels = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

test("contrast is as WCAG's own examples have it", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});

describe.each(["light", "dark"] as const)("%s", (theme) => {
  // AA for text of any size.
  test.each(
    ["text", "quiet", "up", "down", "warn", "history"].flatMap((text) => ["ground", "panel", "selected"].map((ground) => [text, ground] as const)),
  )("%s is legible on %s", (text, ground) => {
    expect(contrast(tokens.get(text)![theme], tokens.get(ground)![theme])).toBeGreaterThanOrEqual(4.5);
  });

  test("so is what stands on a button that acts", () => {
    expect(contrast(tokens.get("on-act")![theme], tokens.get("act")![theme])).toBeGreaterThanOrEqual(4.5);
  });
});
