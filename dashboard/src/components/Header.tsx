import type { Market } from "../feed/market";
import { count, milliseconds, percent } from "../format";

export function Header({ market, source, onQuarantine }: { market: Market; source: string; onQuarantine: () => void }) {
  const totals = market.totals();
  const share = totals.ids > 0 ? 1 - totals.missing / totals.ids : 1;
  const complete = totals.missing === 0;
  return (
    <header>
      <div className="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M2 20h7l4-13 6 18 3-9h8" />
        </svg>
        <h1>Tickwire</h1>
        <span className={`state ${market.connection}`} role="status">
          {market.connection}
        </span>
        {source && <span className="source">{source}</span>}
      </div>
      <dl>
        <Figure label="trades / s" value={count(market.rate())} />
        <Figure label="socket → screen p50" value={milliseconds(market.latencyQuantile(0.5))} />
        <Figure label="p99" value={milliseconds(market.latencyQuantile(0.99))} />
        <Figure label="trades accepted" value={count(totals.accepted)} />
        <Figure label="complete" value={totals.ids ? percent(share) : "–"} tone={complete ? "good" : "bad"} />
        <Figure label="missing ids" value={count(totals.missing)} tone={complete ? "good" : "bad"} />
        <Figure label="duplicates removed" value={count(totals.duplicates)} />
        <button type="button" className="figure" onClick={onQuarantine} title="Show the rows behind it">
          <dt>quarantined</dt>
          <dd className={totals.quarantined ? "warn" : ""}>{count(totals.quarantined)}</dd>
        </button>
      </dl>
    </header>
  );
}

function Figure({ label, value, tone = "" }: { label: string; value: string; tone?: string }) {
  return (
    <div className="figure">
      <dt>{label}</dt>
      <dd className={tone}>{value}</dd>
    </div>
  );
}
