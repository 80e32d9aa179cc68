import { useEffect, useState, useSyncExternalStore } from "react";
import { Chart } from "./components/Chart";
import { Evidence } from "./components/Evidence";
import { GapPanel } from "./components/GapTable";
import { Header, type Page } from "./components/Header";
import { HeatMap } from "./components/HeatMap";
import { Outlook } from "./components/Outlook";
import { SymbolTable } from "./components/SymbolTable";
import { TradeTape } from "./components/TradeTape";
import type { Interval, Market } from "./feed/market";

export function App({ market, source }: { market: Market; source: string }) {
  useSyncExternalStore(market.subscribe, () => market.version);
  const [selected, setSelected] = useState<string | null>(null);
  const [interval, setInterval] = useState<Interval>("1s");
  const [page, setPage] = useState<Page>("market");
  const [evidence, setEvidence] = useState<"quarantine" | "gaps" | "notices">("quarantine");

  const symbols = [...market.symbols.values()].sort(
    (a, b) => (b.progress?.accepted ?? 0) - (a.progress?.accepted ?? 0) || a.key.localeCompare(b.key),
  );
  // The busiest symbol is shown first, and stays: a table that reorders must not change the chart.
  const busiest = symbols.find((s) => s.bars["1s"].length > 0)?.key ?? null;
  useEffect(() => {
    if (selected === null && busiest !== null) setSelected(busiest);
  }, [selected, busiest]);
  const view = selected === null ? undefined : market.symbols.get(selected);

  const quarantine = (): void => {
    setPage("market");
    setEvidence("quarantine");
  };
  return (
    <div className={`page ${page}`}>
      <Header market={market} source={source} page={page} onPage={setPage} onQuarantine={quarantine} />
      {page === "market" ? (
        <>
          <main>
            <SymbolTable symbols={symbols} selected={selected} onSelect={setSelected} />
            <Chart market={market} view={view} interval={interval} onInterval={setInterval} />
            <div className="side">
              <Outlook market={market} view={view} />
              <TradeTape view={view} />
            </div>
          </main>
          <Evidence market={market} tab={evidence} onTab={setEvidence} />
        </>
      ) : (
        <>
          <HeatMap market={market} keys={symbols.map((s) => s.key)} />
          <GapPanel market={market} />
        </>
      )}
    </div>
  );
}
