import type { Market } from "../feed/market";
import { clock, count, utc } from "../format";
import { gapRows } from "../feed/gaps";
import { Gaps } from "./GapTable";
import { Head, Nothing } from "./table";

type Tab = "quarantine" | "gaps" | "notices";

/** The rows behind the figures: what was quarantined and why, what is missing, what the feeds said. */
export function Evidence({ market, tab, onTab }: { market: Market; tab: Tab; onTab: (tab: Tab) => void }) {
  const tabs: [Tab, string][] = [
    ["quarantine", `Quarantine (${count(market.totals().quarantined)})`],
    ["gaps", `Gaps (${count(gapRows(market.continuity).length)})`],
    ["notices", `Notices (${count(market.notices.length)})`],
  ];
  return (
    <section className="panel evidence" aria-label="Evidence">
      <div className="bar">
        <div className="tabs" role="tablist">
          {tabs.map(([name, label]) => (
            <button key={name} type="button" role="tab" aria-selected={name === tab} onClick={() => onTab(name)}>
              {label}
            </button>
          ))}
        </div>
        <Stages market={market} />
      </div>
      <div className="rows">
        <table>{tab === "quarantine" ? <Quarantine market={market} /> : tab === "gaps" ? <Gaps market={market} /> : <Notices market={market} />}</table>
      </div>
    </section>
  );
}

function Stages({ market }: { market: Market }) {
  const stages = Object.entries(market.stages);
  if (stages.length === 0) return null;
  return (
    <ol className="stages" title="Milliseconds that each stage took, transport to it included; the ingestor's is from the socket">
      {stages.map(([name, at]) => (
        <li key={name}>
          {name} <b>{at.toFixed(0)}</b>
        </li>
      ))}
    </ol>
  );
}

function Quarantine({ market }: { market: Market }) {
  const rows = [...market.quarantined.values()].reverse();
  return (
    <>
      <Head columns={["rule", "symbol", "id", "price", "size", "received", "why"]} />
      <tbody>
        {rows.map((row) => (
          <tr key={row.key}>
            <td className="warn">{row.rule}</td>
            <td>
              {row.symbol} <small>{row.venue}</small>
            </td>
            <td>{row.trade_id}</td>
            <td>{row.price}</td>
            <td>{row.size}</td>
            <td title={utc(row.receive_time / 1e6)}>{clock(row.receive_time / 1e6)}</td>
            <td className="wide">{row.detail}</td>
          </tr>
        ))}
        {rows.length === 0 && <Nothing columns={7}>No trade broke a rule.</Nothing>}
      </tbody>
    </>
  );
}

function Notices({ market }: { market: Market }) {
  return (
    <>
      <Head columns={["time", "venue", "what", "count"]} />
      <tbody>
        {market.notices.map((notice, index) => (
          <tr key={`${notice.time}${index}`}>
            <td title={utc(notice.time / 1e6)}>{clock(notice.time / 1e6)}</td>
            <td>{notice.venue}</td>
            <td className="wide">{notice.text}</td>
            <td>{count(notice.count)}</td>
          </tr>
        ))}
        {market.notices.length === 0 && <Nothing columns={4}>The feeds had nothing to say.</Nothing>}
      </tbody>
    </>
  );
}
