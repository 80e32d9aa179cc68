import { completeness, type SymbolView } from "../feed/market";
import { count, decimal, percent } from "../format";

interface Props {
  symbols: SymbolView[];
  selected: string | null;
  onSelect: (key: string) => void;
}

export function SymbolTable({ symbols, selected, onSelect }: Props) {
  return (
    <section className="panel symbols" aria-label="Symbols">
      <table>
        <thead>
          <tr>
            <th>symbol</th>
            <th>last</th>
            <th>trades</th>
            <th title="Share of the exchange's ids between the first and the last one seen that are stored or quarantined">
              complete
            </th>
          </tr>
        </thead>
        <tbody>
          {symbols.map((view) => (
            <tr key={view.key} className={view.key === selected ? "selected" : ""} onClick={() => onSelect(view.key)}>
              <td>
                <button type="button" onClick={() => onSelect(view.key)}>
                  {view.symbol}
                </button>
                <small>{view.venue}</small>
              </td>
              <td className={direction(view)}>{decimal(view.bars["1s"].at(-1)?.close ?? view.trades[0]?.price ?? "0")}</td>
              <td>{count(view.progress?.accepted ?? 0)}</td>
              <Complete view={view} />
            </tr>
          ))}
        </tbody>
      </table>
      {symbols.length === 0 && <p className="empty">Waiting for the first trades…</p>}
    </section>
  );
}

function Complete({ view }: { view: SymbolView }) {
  const progress = view.progress;
  if (!progress) return <td>–</td>;
  const title = progress.missing
    ? `missing: ${progress.missing_ranges.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ")}`
    : `ids ${progress.first_id}–${progress.last_id}, each accounted for`;
  return (
    <td title={title} className={progress.missing ? "bad" : "good"}>
      {percent(completeness(progress))}
      {progress.missing > 0 && <small>{count(progress.missing)} missing</small>}
    </td>
  );
}

function direction(view: SymbolView): string {
  if (view.price === null || view.previous === null) return "";
  return view.price >= view.previous ? "up" : "down";
}
