import { type FormEvent, useEffect, useState } from "react";
import { Refused, type Rest } from "../api/rest";
import type { Market } from "../feed/market";
import { mayTrade, type Role } from "../feed/roles";
import { estimate, money, share } from "../format";

interface Plan {
  size: string;
  notional: string;
  risk: string;
  loss_at_stop: string;
  fees: string;
  margin: string;
  leverage: string;
  liquidation_price: string | null;
  liquidated_before_stop: boolean;
  reward_to_risk: string | null;
  limited_by: "risk" | "leverage";
}

type Method = "historical" | "parametric" | "monte_carlo";

interface Judged {
  value: number;
  positions: { venue: string; symbol: string; quantity: number; price: number; value: number; volatility: number }[];
  var: Record<Method, number>;
  expected_shortfall: Record<Method, number>;
  correlation: { symbols: string[]; matrix: number[][] };
  scenarios: { name: string; pnl: number }[];
  distribution: { edges: number[]; counts: number[] };
  data: { from: number; to: number; observations: number; missing: number };
}

const METHODS: [Method, string][] = [
  ["historical", "what the last weeks would have cost"],
  ["parametric", "if returns were normal"],
  ["monte_carlo", "simulated, with fat tails"],
];
const DAYS = 30;

/** How large a position may be, and what a portfolio may lose. */
export default function Risk({ rest, roles, market }: { rest: Rest; roles: readonly Role[]; market: Market }) {
  if (roles.length === 0) return <p className="empty">Looking up who you are…</p>;
  if (!mayTrade(roles))
    return (
      <section className="panel note" aria-label="Risk">
        <h2>Risk</h2>
        <p>
          The calculator is for traders and operators. You are signed in as {roles.join(", ")}; an operator can put you into the
          group <code>trader</code>.
        </p>
      </section>
    );
  return (
    <div className="calculators">
      <Position rest={rest} market={market} />
      <Portfolio rest={rest} market={market} />
    </div>
  );
}

const FIELDS: [name: string, label: string, hint: string][] = [
  ["account", "account", "money at hand"],
  ["risk", "risk", "percent of the account that the stop may cost"],
  ["entry", "entry", "price"],
  ["stop", "stop", "price at which you give up"],
  ["target", "target", "price that you hope for; may be empty"],
  ["fee", "fee", "percent of each side"],
  ["leverage", "leverage", "the highest that may be used"],
];

function Position({ rest, market }: { rest: Rest; market: Market }) {
  const [side, setSide] = useState<"long" | "short">("long");
  const [values, setValues] = useState<Record<string, string>>({ account: "10000", risk: "1", entry: "", stop: "", target: "", fee: "0.1", leverage: "1" });
  const [plan, setPlan] = useState<Plan | null>(null);
  const [problem, setProblem] = useState("");
  const set = (name: string, value: string): void => setValues((known) => ({ ...known, [name]: value }));

  useEffect(() => {
    const asked = positionRequest(side, values);
    if (asked === null) {
      setPlan(null);
      setProblem("");
      return;
    }
    let current = true;
    // Not with every key: an answer that is overtaken is of no use.
    const wait = setTimeout(() => {
      rest.post<Plan>("/v1/risk/position", asked).then(
        (answer) => {
          if (!current) return;
          setPlan(answer);
          setProblem("");
        },
        (error: unknown) => {
          if (!current) return;
          setPlan(null);
          setProblem(explained(error));
        },
      );
    }, 250);
    return () => {
      current = false;
      clearTimeout(wait);
    };
  }, [rest, side, values]);

  return (
    <section className="panel calculator" aria-label="Position size">
      <div className="bar">
        <h2>Position size</h2>
        <div className="tabs" role="tablist" aria-label="Side">
          {(["long", "short"] as const).map((one) => (
            <button key={one} type="button" role="tab" aria-selected={one === side} onClick={() => setSide(one)}>
              {one}
            </button>
          ))}
        </div>
        <SymbolPicker market={market} label="price of" onPick={(key) => set("entry", lastPrice(market, key))} />
      </div>
      <div className="fields">
        {FIELDS.map(([name, label, hint]) => (
          <label key={name} title={hint}>
            <span>{label}</span>
            <input inputMode="decimal" value={values[name]} placeholder={hint} onChange={(event) => set(name, event.target.value)} />
          </label>
        ))}
      </div>
      <div className="answer" role="status">
        {problem && <p className="bad">{problem}</p>}
        {!problem && plan === null && <p className="empty">Give account, risk, entry and stop.</p>}
        {plan !== null && (
          <>
            <p className="lead">
              <b>{estimate(Number(plan.size))}</b> for {money(Number(plan.notional))}
              {plan.limited_by === "leverage" && <small> as much as the account carries</small>}
            </p>
            <dl className="figures">
              <Pair name="lost at the stop" value={money(Number(plan.loss_at_stop))} />
              <Pair name="of that fees" value={money(Number(plan.fees))} />
              <Pair name="margin" value={money(Number(plan.margin))} />
              <Pair name="leverage" value={`${Number(plan.leverage).toFixed(2)} ×`} />
              <Pair name="liquidated at" value={plan.liquidation_price === null ? "never" : estimate(Number(plan.liquidation_price))} />
              <Pair name="reward to risk" value={plan.reward_to_risk === null ? "–" : Number(plan.reward_to_risk).toFixed(2)} />
            </dl>
            {plan.liquidated_before_stop && <p className="bad">It is liquidated before its stop is reached: use less leverage, or a nearer stop.</p>}
          </>
        )}
      </div>
    </section>
  );
}

export function positionRequest(side: string, values: Record<string, string>): Record<string, string> | null {
  const { account, risk, entry, stop, target, fee, leverage } = values;
  if (!account || !risk || !entry || !stop) return null;
  const percent = (text: string): string => String(Number((Number(text) / 100).toPrecision(12)));
  if ([account, risk, entry, stop].some((text) => !Number.isFinite(Number(text)))) return null;
  const asked: Record<string, string> = { side, account, entry, stop, risk_fraction: percent(risk), fee_rate: percent(fee || "0"), leverage: leverage || "1" };
  if (target) asked.target = target;
  return asked;
}

function Portfolio({ rest, market }: { rest: Rest; market: Market }) {
  const [rows, setRows] = useState<{ key: string; quantity: string }[]>([]);
  const [confidence, setConfidence] = useState("0.99");
  const [hours, setHours] = useState("24");
  // With what it was computed for: the menus may have been changed since.
  const [judged, setJudged] = useState<{ answer: Judged; confidence: number; hours: number } | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  const ask = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wrong = rows.find(({ quantity }) => quantity.trim() === "" || !Number.isFinite(Number(quantity)));
    if (wrong !== undefined) {
      setJudged(null);
      setProblem(`The quantity of ${wrong.key} is no number.`);
      return;
    }
    setBusy(true);
    try {
      const positions = rows.map(({ key, quantity }) => {
        const [venue, symbol] = key.split(":");
        return { venue, symbol, quantity: Number(quantity) };
      });
      const asked = { positions, confidence: Number(confidence), horizon_hours: Number(hours), days: DAYS };
      setJudged({ answer: await rest.post<Judged>("/v1/risk/portfolio", asked), confidence: asked.confidence, hours: asked.horizon_hours });
      setProblem("");
    } catch (error) {
      setJudged(null);
      setProblem(explained(error));
    } finally {
      setBusy(false);
    }
  };
  const change = (index: number, quantity: string): void => setRows((known) => known.map((row, n) => (n === index ? { ...row, quantity } : row)));

  return (
    <section className="panel calculator wide" aria-label="Portfolio">
      <form onSubmit={(event) => void ask(event)}>
        <div className="bar">
          <h2>Portfolio</h2>
          <SymbolPicker
            market={market}
            label="add"
            onPick={(key) => setRows((known) => (known.some((row) => row.key === key) || known.length >= 20 ? known : [...known, { key, quantity: "1" }]))}
          />
          <label>
            confidence{" "}
            <select value={confidence} onChange={(event) => setConfidence(event.target.value)}>
              <option value="0.95">95 %</option>
              <option value="0.99">99 %</option>
              <option value="0.995">99.5 %</option>
            </select>
          </label>
          <label>
            over{" "}
            <select value={hours} onChange={(event) => setHours(event.target.value)}>
              <option value="1">an hour</option>
              <option value="24">a day</option>
              <option value="72">three days</option>
            </select>
          </label>
          <button type="submit" className="act" disabled={rows.length === 0 || busy}>
            {busy ? "Computing…" : "Compute"}
          </button>
        </div>
        <ul className="holdings">
          {rows.map((row, index) => (
            <li key={row.key}>
              <span>{row.key}</span>
              <input
                inputMode="decimal"
                aria-label={`Quantity of ${row.key}, negative if short`}
                value={row.quantity}
                onChange={(event) => change(index, event.target.value)}
              />
              <button type="button" className="plain" onClick={() => setRows((known) => known.filter((_, n) => n !== index))}>
                Remove
              </button>
            </li>
          ))}
          {rows.length === 0 && <li className="empty">Add the symbols that you hold; a negative quantity is a short.</li>}
        </ul>
      </form>
      <div className="answer" role="status">
        {problem && <p className="bad">{problem}</p>}
        {judged !== null && <Judgement judged={judged.answer} confidence={judged.confidence} hours={judged.hours} />}
      </div>
    </section>
  );
}

function Judgement({ judged, confidence, hours }: { judged: Judged; confidence: number; hours: number }) {
  const over = hours === 1 ? "hour" : hours === 24 ? "day" : `${hours} hours`;
  const often = Math.round(1 / (1 - confidence));
  return (
    <>
      <p className="lead">
        Worth <b>{money(judged.value)}</b>. In one {over} of {often} it loses more than <b className="bad">{money(judged.var.monte_carlo)}</b>, and then{" "}
        <b className="bad">{money(judged.expected_shortfall.monte_carlo)}</b> on average.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">method</th>
            <th scope="col">value at risk</th>
            <th scope="col">expected shortfall</th>
          </tr>
        </thead>
        <tbody>
          {METHODS.map(([name, words]) => (
            <tr key={name}>
              <td>
                {name.replace("_", " ")} <small>{words}</small>
              </td>
              <td>{money(judged.var[name])}</td>
              <td>{money(judged.expected_shortfall[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Histogram judged={judged} />
      <table>
        <thead>
          <tr>
            <th scope="col">if it happened again</th>
            <th scope="col">gain or loss</th>
          </tr>
        </thead>
        <tbody>
          {judged.scenarios.map((one) => (
            <tr key={one.name}>
              <td>{one.name}</td>
              <td className={one.pnl < 0 ? "bad" : "good"}>{money(one.pnl)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Correlation judged={judged} />
      <p className="quiet">
        From {judged.data.observations} hourly returns since {new Date(judged.data.from).toISOString().slice(0, 10)}
        {judged.data.missing > 0 && `; ${judged.data.missing} hours were left out, since a symbol had no trade in them`}. The past says little of crashes
        that it does not hold.
      </p>
    </>
  );
}

function Histogram({ judged }: { judged: Judged }) {
  const { edges, counts } = judged.distribution;
  const most = Math.max(...counts);
  const [low, high] = [edges[0]!, edges.at(-1)!];
  // Lines outside what is drawn stand at its edge.
  const at = (value: number): number => Math.min(400, Math.max(0, ((value - low) / (high - low || 1)) * 400));
  const lines: [number, string][] = [
    [-judged.var.monte_carlo, "value at risk"],
    [-judged.expected_shortfall.monte_carlo, "expected shortfall"],
  ];
  return (
    <svg className="histogram" viewBox="0 0 400 90" role="img" aria-label={`Simulated gains and losses from ${money(low)} to ${money(high)}`}>
      {counts.map((count, index) => (
        <rect
          key={edges[index]}
          x={(index * 400) / counts.length}
          width={400 / counts.length - 1}
          y={78 - (count / most) * 70}
          height={(count / most) * 70}
          className={edges[index]! < 0 ? "loss" : "gain"}
        />
      ))}
      {lines.map(([value, name]) => (
        <line key={name} x1={at(value)} x2={at(value)} y1={4} y2={78}>
          <title>{`${name}: ${money(value)}`}</title>
        </line>
      ))}
      <text x={0} y={88}>
        {money(low)}
      </text>
      <text x={400} y={88} textAnchor="end">
        {money(high)}
      </text>
    </svg>
  );
}

function Correlation({ judged }: { judged: Judged }) {
  const { symbols, matrix } = judged.correlation;
  if (symbols.length < 2) return null;
  return (
    <table className="correlation">
      <caption>How they move together, and how much each by itself</caption>
      <tbody>
        {symbols.map((name, row) => (
          <tr key={name}>
            <th scope="row">{name.split(":")[1]}</th>
            {matrix[row]!.map((value, column) => (
              <td key={symbols[column]} style={{ background: `color-mix(in srgb, ${value < 0 ? "var(--down)" : "var(--history)"} ${Math.round(Math.abs(value) * 60)}%, transparent)` }}>
                {value.toFixed(2)}
              </td>
            ))}
            <td className="quiet">± {share(judged.positions[row]!.volatility)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function SymbolPicker({ market, label, onPick }: { market: Market; label: string; onPick: (key: string) => void }) {
  const keys = [...market.symbols.values()].filter((view) => view.price !== null || view.trades.length > 0).map((view) => view.key);
  return (
    <label>
      {label}{" "}
      <select
        value=""
        onChange={(event) => {
          if (event.target.value) onPick(event.target.value);
        }}
      >
        <option value="">symbol…</option>
        {keys.sort().map((key) => (
          <option key={key} value={key}>
            {key}
          </option>
        ))}
      </select>
    </label>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const lastPrice = (market: Market, key: string): string => market.symbols.get(key)?.bars["1s"].at(-1)?.close ?? market.symbols.get(key)?.trades[0]?.price ?? "";

function explained(error: unknown): string {
  if (!(error instanceof Refused)) return "Something went wrong; please try again.";
  const faults = Object.entries(error.faults).map(([name, message]) => `${name}: ${message}`);
  return faults.length > 0 ? faults.join("; ") : error.message;
}
