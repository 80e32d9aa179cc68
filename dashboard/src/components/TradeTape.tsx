import type { SymbolView } from "../feed/market";
import { clock, decimal, utc } from "../format";

export function TradeTape({ view }: { view: SymbolView | undefined }) {
  return (
    <section className="panel tape" aria-label="Last trades">
      <table>
        <thead>
          <tr>
            <th>time</th>
            <th>price</th>
            <th>size</th>
          </tr>
        </thead>
        <tbody>
          {(view?.trades ?? []).slice(0, 40).map((trade) => (
            <tr key={trade.id} title={`id ${trade.id}, aggressor ${trade.side}${trade.flags.length ? `, ${trade.flags.join(", ")}` : ""}`}>
              <td title={utc(trade.time)}>{clock(trade.time)}</td>
              <td className={trade.side === "buy" ? "up" : "down"}>
                {decimal(trade.price)}
                {trade.flags.includes("price_anomaly") && <b className="warn"> !</b>}
              </td>
              <td>{decimal(trade.size, 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
