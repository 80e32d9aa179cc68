import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import type { Rest } from "./api/rest";
import { Chart } from "./components/Chart";
import { Evidence } from "./components/Evidence";
import { GapPanel } from "./components/GapTable";
import { Header, type Page, PAGES } from "./components/Header";
import { HeatMap } from "./components/HeatMap";
import { Outlook } from "./components/Outlook";
import { SymbolTable } from "./components/SymbolTable";
import { TradeTape } from "./components/TradeTape";
import type { Interval, Market } from "./feed/market";
import type { Topic } from "./feed/protocol";
import type { Role } from "./feed/roles";
import type { Session } from "./feed/session";
import { useRoles } from "./feed/who";

// Loaded when they are first asked for: the market is what the page is opened for.
const Risk = lazy(() => import("./pages/Risk"));
const Operations = lazy(() => import("./pages/Operations"));

interface Props {
  market: Market;
  source: string;
  session: Session;
  rest: Rest;
  /** Called with what is to be listened to from now on. */
  onTopics: (topics: readonly Topic[]) => void;
  /** Called when the user has become another. */
  onUser: () => void;
}

export function App({ market, source, session, rest, onTopics, onUser }: Props) {
  useSyncExternalStore(market.subscribe, () => market.version);
  const [user, setUser] = useState(0);
  const roles = useRoles(session, user);
  const [selected, setSelected] = useState<string | null>(null);
  const [interval, setInterval] = useState<Interval>("1s");
  const [page, setPage] = usePage();
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

  const show = (wanted: Interval): void => {
    onTopics([`bars.${wanted}`]);
    setInterval(wanted);
  };
  const quarantine = (): void => {
    setPage("market");
    setEvidence("quarantine");
  };
  const become = (role: Role): void => {
    session.become?.(role);
    setUser((n) => n + 1);
    onUser();
  };
  return (
    <div className={`page ${page}`}>
      <Header
        market={market}
        source={source}
        page={page}
        onPage={setPage}
        onQuarantine={quarantine}
        roles={roles}
        onRole={session.become === undefined ? undefined : become}
      />
      {page === "market" ? (
        <>
          <main>
            <SymbolTable symbols={symbols} selected={selected} onSelect={setSelected} />
            <Chart market={market} view={view} interval={interval} onInterval={show} />
            <div className="side">
              <Outlook market={market} view={view} />
              <TradeTape view={view} />
            </div>
          </main>
          <Evidence market={market} tab={evidence} onTab={setEvidence} />
        </>
      ) : page === "risk" || page === "operations" ? (
        <Suspense fallback={<p className="empty">Loading…</p>}>
          {page === "risk" ? <Risk key={user} rest={rest} roles={roles} market={market} /> : <Operations key={user} rest={rest} roles={roles} />}
        </Suspense>
      ) : (
        <>
          <HeatMap market={market} keys={symbols.map((s) => s.key)} />
          <GapPanel market={market} />
        </>
      )}
    </div>
  );
}

/** The page that the address names behind its #, which can be kept and sent to others. */
function usePage(): [Page, (page: Page) => void] {
  const [page, setPage] = useState<Page>(named);
  useEffect(() => {
    const follow = (): void => setPage(named());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return [
    page,
    (wanted) => {
      location.hash = `/${wanted}`;
    },
  ];
}

const named = (): Page => PAGES.find((page) => location.hash === `#/${page}`) ?? "market";
