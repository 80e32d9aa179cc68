import { type KeyboardEvent, useState } from "react";
import { grade, HOUR_MS, hourCompleteness, shownHours, total } from "../feed/hours";
import type { Market } from "../feed/market";
import type { Hour } from "../feed/protocol";
import { count, percent, short } from "../format";

const LEGEND = [
  ["whole", "complete"],
  ["trace", "under 0.1 % missing"],
  ["some", "under 1 %"],
  ["much", "under 10 %"],
  ["most", "more"],
] as const;

/** How complete every symbol was in every hour, by exchange time. */
export function HeatMap({ market, keys }: { market: Market; keys: string[] }) {
  const [pointed, setPointed] = useState<{ key: string; start: number } | null>(null);
  const starts = shownHours(market.continuity.values());
  const known = keys.filter((key) => market.continuity.has(key));
  const chosen = pointed && market.continuity.get(pointed.key)?.hours.find((hour) => hour.start === pointed.start);
  const point = (target: EventTarget): void => {
    const cell = (target as HTMLElement).closest<HTMLElement>("td.cell");
    if (cell) setPointed({ key: cell.dataset["key"]!, start: Number(cell.dataset["start"]) });
  };
  return (
    <section className="panel heat" aria-label="Completeness by hour">
      <div className="bar">
        <h2>Completeness</h2>
        <p className="readout">
          {pointed ? <Readout symbol={pointed.key} start={pointed.start} hour={chosen ?? undefined} /> : "by hour of exchange time (UTC); a number in a cell is how many trades are missing"}
        </p>
        <ul className="legend" aria-hidden="true">
          {LEGEND.map(([name, label]) => (
            <li key={name}>
              <i className={name} />
              {label}
            </li>
          ))}
          <li>
            <i className="dot" />
            some absent or quarantined
          </li>
        </ul>
      </div>
      <div className="rows">
        {known.length === 0 ? (
          <p className="empty">Waiting for the first hour…</p>
        ) : (
          <table onMouseOver={(event) => point(event.target)} onMouseLeave={() => setPointed(null)} onFocus={(event) => point(event.target)} onKeyDown={move}>
            <caption className="hidden">Completeness of each symbol by hour of exchange time, UTC</caption>
            <thead>
              <tr>
                <th className="name" scope="col">
                  <span className="hidden">symbol</span>
                </th>
                {starts.map((start) => (
                  <th key={start} scope="col">
                    <HourLabel start={start} />
                  </th>
                ))}
                <th className="total" scope="col">
                  {starts.length} h
                </th>
              </tr>
            </thead>
            <tbody>
              {known.map((key, row) => (
                <Row key={key} market={market} symbol={key} starts={starts} first={row === 0} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function Row({ market, symbol, starts, first }: { market: Market; symbol: string; starts: number[]; first: boolean }) {
  const { hours } = market.continuity.get(symbol)!;
  const byStart = new Map(hours.map((hour) => [hour.start, hour]));
  const shown = starts.flatMap((start) => byStart.get(start) ?? []);
  const sum = total(shown);
  const [venue, name] = symbol.split(":");
  return (
    <tr>
      <th scope="row">
        {name} <small>{venue}</small>
      </th>
      {starts.map((start, column) => {
        const hour = byStart.get(start);
        const noted = hour && hour.missing === 0 && hour.absent + hour.quarantined > 0;
        return (
          <td
            key={start}
            className={`cell ${hour ? grade(hour) : "none"}${noted ? " noted" : ""}`}
            data-key={symbol}
            data-start={start}
            tabIndex={first && column === starts.length - 1 ? 0 : -1}
          >
            {hour && hour.missing > 0 && <span aria-hidden="true">{short(hour.missing)}</span>}
            <span className="hidden">{hour ? words(hour) : "no trades"}</span>
          </td>
        );
      })}
      <td className={`total ${sum.missing ? "bad" : "good"}`}>{percent(hourCompleteness(sum))}</td>
    </tr>
  );
}

function Readout({ symbol, start, hour }: { symbol: string; start: number; hour: Hour | undefined }) {
  const [venue, name] = symbol.split(":");
  const from = new Date(start).toISOString();
  return (
    <>
      <b>{name}</b> {venue} · {from.slice(0, 10)} <b>{from.slice(11, 16)}–{new Date(start + HOUR_MS).toISOString().slice(11, 16)}</b> · {hour ? words(hour) : "no trades"}
    </>
  );
}

function words(hour: Hour): string {
  const parts = [percent(hourCompleteness(hour)), `${count(hour.trades)} trades`, `${count(hour.missing)} missing`];
  if (hour.absent) parts.push(`${count(hour.absent)} confirmed absent`);
  if (hour.quarantined) parts.push(`${count(hour.quarantined)} quarantined`);
  return parts.join(", ");
}

function HourLabel({ start }: { start: number }) {
  const text = new Date(start).toISOString();
  const hour = Number(text.slice(11, 13));
  if (hour === 0) return <b>{text.slice(5, 10)}</b>;
  return hour % 3 === 0 ? <>{text.slice(11, 13)}</> : <span className="hidden">{text.slice(11, 13)}</span>;
}

/** Arrow keys go from cell to cell, so that one stop of the tab key is enough for all. */
function move(event: KeyboardEvent): void {
  const cell = (event.target as HTMLElement).closest<HTMLTableCellElement>("td.cell");
  const row = cell?.parentElement as HTMLTableRowElement | undefined;
  if (!cell || !row) return;
  const next = {
    ArrowLeft: cell.previousElementSibling,
    ArrowRight: cell.nextElementSibling,
    ArrowUp: (row.previousElementSibling as HTMLTableRowElement | null)?.cells[cell.cellIndex],
    ArrowDown: (row.nextElementSibling as HTMLTableRowElement | null)?.cells[cell.cellIndex],
  }[event.key];
  if (!next?.classList.contains("cell")) return;
  event.preventDefault();
  (next as HTMLElement).focus();
}
