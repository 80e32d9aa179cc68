import { useCallback, useEffect, useState } from "react";
import { Refused, type Rest } from "../api/rest";
import { Head, Nothing } from "../components/table";
import { mayOperate, type Role } from "../feed/roles";
import { count, moment, utc } from "../format";

interface Letter {
  kind: string;
  key: string;
  reason: string;
  detail: string;
  venue: string | null;
  symbol: string | null;
  receipts: number;
  redrives: number;
  redrive_outcome: string | null;
  body_bytes: number | null;
  last_seen: number;
  state: string;
}

interface Inspected extends Letter {
  body: string | null;
  encoding: "utf-8" | "base64" | null;
  truncated: boolean;
  unreadable: string | null;
}

interface Result {
  kind: string;
  key: string;
  done: boolean;
  outcome: string;
  trades: number;
}

interface Entry {
  id: number;
  time: number;
  subject: string;
  action: string;
  target: string;
  outcome: string;
}

const KINDS = ["", "frame", "trade", "record", "malformed"] as const;
const DAY_MS = 86_400_000;
const nameOf = (letter: { kind: string; key: string }): string => `${letter.kind}/${letter.key}`;

/** What could not go on, to be looked at and sent again, and who did so. */
export default function Operations({ rest, roles }: { rest: Rest; roles: readonly Role[] }) {
  const [acts, setActs] = useState(0);
  if (roles.length === 0) return <p className="empty">Looking up who you are…</p>;
  if (!mayOperate(roles))
    return (
      <section className="panel note" aria-label="Operations">
        <h2>Operations</h2>
        <p>
          Dead letters and the audit log are for operators. You are signed in as {roles.join(", ")}; an operator can put you into
          the group <code>operator</code>.
        </p>
      </section>
    );
  return (
    <div className="workplace">
      <DeadLetters rest={rest} onAct={() => setActs((n) => n + 1)} />
      <AuditLog rest={rest} acts={acts} />
    </div>
  );
}

function DeadLetters({ rest, onAct }: { rest: Rest; onAct: () => void }) {
  const [kind, setKind] = useState<string>("");
  const [letters, setLetters] = useState<Letter[] | null>(null);
  const [following, setFollowing] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState<Inspected | null>(null);
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);

  const load = useCallback(
    async (cursor?: string) => {
      try {
        const page = await rest.get<{ letters: Letter[]; next: string | null }>("/v1/dead-letters", { kind, limit: 50, cursor });
        setLetters((known) => (cursor === undefined ? page.letters : [...(known ?? []), ...page.letters]));
        setFollowing(page.next);
      } catch (error) {
        setSaid(sentence(error));
      }
    },
    [rest, kind],
  );
  useEffect(() => {
    setChosen(new Set());
    void load();
  }, [load]);

  const inspect = async (letter: Letter): Promise<void> => {
    try {
      setShown(await rest.get<Inspected>(`/v1/dead-letters/${letter.kind}/${encodeURIComponent(letter.key)}`));
      onAct();
    } catch (error) {
      setSaid(sentence(error));
    }
  };
  const redrive = async (): Promise<void> => {
    setBusy(true);
    const names = (letters ?? []).filter((letter) => chosen.has(nameOf(letter))).map(({ kind: of, key }) => ({ kind: of, key }));
    try {
      const { results } = await rest.post<{ results: Result[] }>("/v1/dead-letters/redrive", { letters: names });
      setSaid(summary(results));
      setChosen(new Set());
      await load();
    } catch (error) {
      setSaid(sentence(error));
    } finally {
      setBusy(false);
      onAct();
    }
  };
  const toggle = (name: string): void =>
    setChosen((known) => {
      const next = new Set(known);
      if (!next.delete(name)) next.add(name);
      return next;
    });

  return (
    <section className="panel letters" aria-label="Dead letters">
      <div className="bar">
        <h2>Dead letters</h2>
        <label>
          kind{" "}
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            {KINDS.map((one) => (
              <option key={one} value={one}>
                {one || "all"}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="act" disabled={chosen.size === 0 || busy} onClick={() => void redrive()}>
          {busy ? "Sending…" : `Redrive ${count(chosen.size)}`}
        </button>
        <button type="button" className="plain" onClick={() => void load()}>
          Refresh
        </button>
        <p className="said" role="status">
          {said}
        </p>
      </div>
      <div className="rows">
        <table>
          <Head columns={["", "kind", "reason", "symbol", "last seen", "state", { label: "times", number: true }, { label: "bytes", number: true }, "detail"]} />
          <tbody>
            {(letters ?? []).map((letter) => (
              <tr key={nameOf(letter)} className={shown !== null && nameOf(shown) === nameOf(letter) ? "selected" : ""}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Choose ${nameOf(letter)}`}
                    checked={chosen.has(nameOf(letter))}
                    disabled={letter.kind === "malformed"}
                    onChange={() => toggle(nameOf(letter))}
                  />
                </td>
                <td>
                  <button type="button" className="link" onClick={() => void inspect(letter)}>
                    {letter.kind}
                  </button>
                </td>
                <td className="warn">{letter.reason}</td>
                <td>
                  {letter.symbol ?? "–"} <small>{letter.venue}</small>
                </td>
                <td title={utc(letter.last_seen)}>{moment(letter.last_seen, Date.now())}</td>
                <td className={letter.state === "redriven" ? "good" : ""}>{letter.state}</td>
                <td className="number">{count(letter.receipts)}</td>
                <td className="number">{letter.body_bytes === null ? "in S3" : count(letter.body_bytes)}</td>
                <td className="wide">{letter.redrive_outcome ?? letter.detail}</td>
              </tr>
            ))}
            {letters === null && <Nothing columns={9}>Loading…</Nothing>}
            {letters !== null && letters.length === 0 && <Nothing columns={9}>Nothing is waiting: every frame was read, every trade kept the rules.</Nothing>}
          </tbody>
        </table>
        {following !== null && (
          <button type="button" className="plain" onClick={() => void load(following)}>
            Show more
          </button>
        )}
      </div>
      {shown !== null && (
        <div className="body" aria-label="Body">
          <p>
            <b>{nameOf(shown)}</b> <small>{shown.encoding === "base64" ? "bytes, as base64" : "as it was received"}</small>
            {shown.truncated && <small>, cut at 64 KB</small>}
            <button type="button" className="plain" onClick={() => setShown(null)}>
              Close
            </button>
          </p>
          <pre>{shown.body ?? shown.unreadable}</pre>
        </div>
      )}
    </section>
  );
}

function AuditLog({ rest, acts }: { rest: Rest; acts: number }) {
  const [entries, setEntries] = useState<Entry[]>([]);
  const [said, setSaid] = useState("");
  useEffect(() => {
    let current = true;
    const end = Date.now() + 60_000;
    const range = { start: new Date(end - 7 * DAY_MS).toISOString(), end: new Date(end).toISOString() };
    rest.get<{ entries: Entry[] }>("/v1/audit-log", { ...range, limit: 100 }).then(
      (page) => current && setEntries(page.entries),
      (error: unknown) => current && setSaid(sentence(error)),
    );
    return () => {
      current = false;
    };
  }, [rest, acts]);
  return (
    <section className="panel evidence audit" aria-label="Audit log">
      <div className="bar">
        <h2>Audit log</h2>
        <small>the last week, newest first; rows are only ever added</small>
        <p className="said" role="status">
          {said}
        </p>
      </div>
      <div className="rows">
        <table>
          <Head columns={["time", "who", "did", "what", "outcome"]} />
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.id}>
                <td title={utc(entry.time)}>{moment(entry.time, Date.now())}</td>
                <td>{entry.subject.slice(0, 13)}</td>
                <td>{entry.action}</td>
                <td className="wide">{entry.target}</td>
                <td className={entry.outcome === "failed" ? "bad" : ""}>{entry.outcome}</td>
              </tr>
            ))}
            {entries.length === 0 && <Nothing columns={5}>Nobody did anything yet.</Nothing>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const sentence = (error: unknown): string => (error instanceof Refused ? error.message : "Something went wrong; please try again.");

export function summary(results: { done: boolean; outcome: string; trades: number }[]): string {
  const done = results.filter((result) => result.done).length;
  const trades = results.reduce((sum, result) => sum + result.trades, 0);
  const staying = results.find((result) => !result.done);
  const sent = `${count(done)} of ${count(results.length)} redriven, ${count(trades)} ${trades === 1 ? "trade" : "trades"} sent`;
  return staying === undefined ? `${sent}.` : `${sent}. The first that stays: ${staying.outcome}.`;
}
