import { type GapRow, gapRows } from "../feed/gaps";
import type { Market } from "../feed/market";
import { count, duration, moment, utc } from "../format";
import { Head, Nothing } from "./table";

const COLUMNS = [
  "symbol",
  "ids",
  { label: "count", number: true },
  "cause",
  "noticed",
  { label: "between (exchange time)", title: "The missing trades lie between these two" },
  "state",
  { label: "missing", number: true },
  { label: "live", number: true, title: "Came on a stream after all" },
  { label: "history", number: true, title: "Fetched from the venue's history" },
  { label: "absent", number: true, title: "The venue itself does not have them" },
  { label: "quarantined", number: true, title: "Known only from rows that broke a rule" },
  { label: "to fill", number: true },
];
const STATES = { open: "bad", filling: "warn", closed: "good" } as const;
const PARTS = ["live", "history", "absent", "quarantined", "remaining"] as const;

/** Every gap and how it was filled, below the heat map. */
export function GapPanel({ market }: { market: Market }) {
  const rows = gapRows(market.continuity);
  const of = (state: GapRow["state"]): string => count(rows.filter((row) => row.state === state).length);
  return (
    <section className="panel evidence gaps" aria-label="Gaps">
      <div className="bar">
        <h2>Gaps</h2>
        <p className="readout">
          <b>{of("open")}</b> open · <b>{of("filling")}</b> filling · <b>{of("closed")}</b> closed
        </p>
        <ul className="legend" aria-hidden="true">
          {PARTS.map((part) => (
            <li key={part} className="split-label">
              <i className={part} />
              {part === "remaining" ? "missing" : part}
            </li>
          ))}
        </ul>
      </div>
      <div className="rows">
        <table>
          <Gaps market={market} />
        </table>
      </div>
    </section>
  );
}

export function Gaps({ market }: { market: Market }) {
  const rows = gapRows(market.continuity);
  const now = Date.now();
  return (
    <>
      <Head columns={COLUMNS} />
      <tbody>
        {rows.map((gap) => (
          <tr key={gap.key}>
            <td>
              {gap.symbol} <small>{gap.venue}</small>
            </td>
            <td>{gap.ids === 1 ? gap.first : `${gap.first}–${gap.last}`}</td>
            <td className="number">{count(gap.ids)}</td>
            <td>{gap.cause.replaceAll("_", " ")}</td>
            <td title={utc(gap.noticed / 1e6)}>{moment(gap.noticed / 1e6, now)}</td>
            <td>{between(gap, now)}</td>
            <td>
              <span className={`state-name ${STATES[gap.state]}`}>{gap.state}</span>
              <Split gap={gap} />
            </td>
            <Part value={gap.remaining} tone="bad" />
            <Part value={gap.live} tone="live" />
            <Part value={gap.history} tone="history" />
            <Part value={gap.absent} />
            <Part value={gap.quarantined} tone="warn" />
            <td className="number">{gap.closed ? duration((gap.closed - gap.noticed) / 1e6) : "–"}</td>
          </tr>
        ))}
        {rows.length === 0 && <Nothing columns={COLUMNS.length}>Every id between the first and the last one is here.</Nothing>}
      </tbody>
    </>
  );
}

function Part({ value, tone }: { value: number; tone?: string }) {
  return <td className="number">{value ? <span className={tone}>{count(value)}</span> : <small>0</small>}</td>;
}

function Split({ gap }: { gap: GapRow }) {
  return (
    <span className="split" aria-hidden="true">
      {PARTS.filter((part) => gap[part] > 0).map((part) => (
        <i key={part} className={part} style={{ flexGrow: gap[part], flexBasis: 0, minWidth: 2 }} />
      ))}
    </span>
  );
}

function between(gap: GapRow, now: number): string {
  const from = gap.after_time / 1e6;
  const to = gap.before_time / 1e6;
  // The date is said once.
  return `${from ? moment(from, now) : "?"} – ${to ? moment(to, from || now) : "?"}`;
}
