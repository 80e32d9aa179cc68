import { useState } from "react";
import type { Market } from "../feed/market";
import { ROLES, type Role } from "../feed/roles";
import { count, milliseconds, percent } from "../format";
import { chooseTheme, chosenTheme, type Theme, THEMES } from "../theme";

export const PAGES = ["market", "completeness", "risk", "operations"] as const;
export type Page = (typeof PAGES)[number];

interface Props {
  market: Market;
  source: string;
  page: Page;
  onPage: (page: Page) => void;
  onQuarantine: () => void;
  roles: readonly Role[];
  /** Where one can be anybody, as in a local run. */
  onRole: ((role: Role) => void) | undefined;
}

export function Header({ market, source, page, onPage, onQuarantine, roles, onRole }: Props) {
  const [theme, keepTheme] = useState<Theme>(chosenTheme);
  const setTheme = (wanted: Theme): void => {
    chooseTheme(wanted);
    keepTheme(wanted);
  };
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
        <nav className="tabs" aria-label="Views">
          {PAGES.map((name) => (
            <button key={name} type="button" aria-current={name === page ? "page" : undefined} onClick={() => onPage(name)}>
              {name[0]!.toUpperCase() + name.slice(1)}
            </button>
          ))}
        </nav>
        <label className="who">
          <span className="hidden">Theme</span>
          <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)} title="Colours: the system's, light or dark">
            {THEMES.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {onRole !== undefined && (
          <label className="who">
            as{" "}
            <select value={roles[0] ?? ""} onChange={(event) => onRole(event.target.value as Role)} aria-label="Signed in as">
              {roles.length === 0 && <option value="">…</option>}
              {ROLES.map((role) => (
                <option key={role} value={role}>
                  {role}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <dl>
        <Figure label="trades / s" value={count(market.rate())} />
        <Figure label="socket → screen p50" value={milliseconds(market.latencyQuantile(0.5))} />
        <Figure label="p99" value={milliseconds(market.latencyQuantile(0.99))} />
        <Figure label="trades accepted" value={count(totals.accepted)} />
        <Figure label="complete" value={totals.ids ? percent(share) : "–"} tone={complete ? "good" : "bad"} />
        <button type="button" className="figure" onClick={() => onPage("completeness")} title="Show the gaps and how they are filled">
          <dt>missing ids</dt>
          <dd className={complete ? "good" : "bad"}>{count(totals.missing)}</dd>
        </button>
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
