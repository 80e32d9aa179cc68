const NUMBER = new Intl.NumberFormat("en-US");

export const count = (value: number): string => NUMBER.format(Math.round(value));

/** Decimal text without the zeros that only the fixed-point scale put there, at least `places` kept. */
export function decimal(text: string, places = 2): string {
  const [whole = "0", fraction = ""] = text.split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(places, "0");
  return `${NUMBER.format(BigInt(whole))}${kept ? `.${kept}` : ""}`;
}

export function percent(share: number): string {
  // Never rounds up to 100: one missing id among millions must show.
  if (share >= 1) return "100 %";
  return `${(Math.floor(share * 1e6) / 1e4).toFixed(4)} %`;
}

export const clock = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(11, 23);

export const milliseconds = (value: number | null): string =>
  value === null ? "–" : value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
