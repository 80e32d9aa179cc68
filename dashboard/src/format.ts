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

/** A time of day in the reader's zone; `utc` says it for all. */
export const clock = (milliseconds: number): string => {
  const date = new Date(milliseconds);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0"));
  return `${parts.join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
};

export const utc = (milliseconds: number): string => `${new Date(milliseconds).toISOString().replace("T", " ").slice(0, 23)} UTC`;

export const milliseconds = (value: number | null): string =>
  value === null ? "–" : value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;

/** An estimate, to six digits at most. */
export const estimate = (value: number | null): string =>
  value === null ? "–" : value.toLocaleString("en-US", { maximumSignificantDigits: 6 });

/** A fraction as a percentage; a true minus, and no percent of -0. */
export function share(fraction: number, places = 1): string {
  const text = Math.abs(fraction * 100).toFixed(places);
  return `${fraction < 0 && Number(text) > 0 ? "−" : ""}${text} %`;
}

/** A number that fits into a small cell: 12, 5k, 34k, 6m. */
export function short(value: number): string {
  if (value < 1_000) return `${value}`;
  return value < 999_500 ? `${Math.round(value / 1e3)}k` : `${Math.round(value / 1e6)}m`;
}

/** A time of day in the reader's zone, with its date where that is not today's. */
export function moment(milliseconds: number, now: number): string {
  const date = new Date(milliseconds);
  if (date.toDateString() === new Date(now).toDateString()) return clock(milliseconds);
  const day = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
  return `${day} ${clock(milliseconds).slice(0, 8)}`;
}

export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6_000) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

/** A sum of money: cents where they say something, and a true minus. */
export function money(value: number): string {
  const digits = Math.abs(value) >= 100_000 ? 0 : 2;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 && Number(text.replaceAll(",", "")) > 0 ? "−" : ""}${text}`;
}
