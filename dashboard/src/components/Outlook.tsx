import type { ReactNode } from "react";
import { hits, mood, whyAbsent } from "../feed/conclusions";
import type { Market, SymbolView } from "../feed/market";
import type { Indicators, Prediction, Sentiment, Signal } from "../feed/protocol";
import { clock, duration, estimate, share, short } from "../format";

const SHOWN_WHALES = 5;
const SHOWN_ANOMALIES = 3;

/** What is concluded of the selected symbol: an estimate each, with its age and its reason. */
export function Outlook({ market, view }: { market: Market; view: SymbolView | undefined }) {
  const now = Date.now();
  const known = view?.conclusions;
  const indicators = known && (known.indicators.get(60) ?? [...known.indicators.values()][0]);
  const score = hits(known?.outcomes ?? []);
  const nothing = !known?.prediction && !known?.signal && !known?.whales.length && !known?.anomalies.length && !indicators;
  return (
    <section className="panel outlook" aria-label="Outlook">
      {market.sentiment && <Mood sentiment={market.sentiment} />}
      {known?.prediction && <Forecast prediction={known.prediction} now={now} />}
      {score.of > 0 && (
        <Row name="scored">
          {score.right} of the last {score.of} went that way
        </Row>
      )}
      {known?.signal && <Advice signal={known.signal} />}
      {indicators && <Gauges indicators={indicators} />}
      {known?.anomalies.slice(0, SHOWN_ANOMALIES).map((odd) => (
        <Row key={`${odd.time}:${odd.anomaly}`} name={clock(odd.time).slice(0, 8)}>
          <b className="warn">{odd.anomaly}</b> <small>{odd.reason}</small>
        </Row>
      ))}
      {known?.whales.slice(0, SHOWN_WHALES).map((whale) => (
        <Row key={`${whale.started}:${whale.side}:${whale.first_id}:${whale.venues.join()}`} name={clock(whale.started).slice(0, 8)}>
          <b className={whale.side === "buy" ? "up" : "down"}>
            whale {whale.side === "buy" ? "bought" : "sold"} {short(whale.notional)}
          </b>{" "}
          <small>
            at {estimate(whale.price)}
            {whale.trades > 1 && ` in ${whale.trades} trades`}
            {whale.venues.length > 1 && ` on ${whale.venues.join(", ")}`}
          </small>
        </Row>
      ))}
      {nothing && <p className="empty">Nothing is concluded of this symbol yet.</p>}
    </section>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="row">
      <span>{name}</span>
      <div>{children}</div>
    </div>
  );
}

function Forecast({ prediction, now }: { prediction: Prediction; now: number }) {
  const { probability } = prediction;
  return (
    <Row name={`in ${duration(prediction.horizon * 1000)}`}>
      {probability === null ? (
        <>
          <b>no prediction</b> <small>{whyAbsent(prediction.absent)}</small>
        </>
      ) : (
        <b className={probability > 0.5 ? "up" : probability < 0.5 ? "down" : ""}>{share(probability)} higher</b>
      )}{" "}
      <small>
        {prediction.model && `${prediction.model} ${prediction.version}${prediction.variant ? `, ${prediction.variant}` : ""}, `}
        {duration(Math.max(0, now - prediction.time))} old
      </small>
    </Row>
  );
}

function Advice({ signal }: { signal: Signal }) {
  const tone = signal.direction === "long" ? "up" : signal.direction === "short" ? "down" : "";
  return (
    <Row name="signal">
      <b className={tone}>{signal.direction}</b>{" "}
      <small>
        {share(signal.expected_move, 2)} after costs, {share(signal.confidence, 0)} confident
        {signal.invalidation !== null && `, void at ${estimate(signal.invalidation)}`}. {signal.reason}
      </small>
    </Row>
  );
}

function Gauges({ indicators }: { indicators: Indicators }) {
  return (
    <dl className="gauges" title={`After the bar of ${duration(indicators.interval * 1000)} that began at ${clock(indicators.start)}`}>
      {Object.entries(indicators.values).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>{estimate(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Mood({ sentiment }: { sentiment: Sentiment }) {
  const parts = sentiment.parts.map((part) => `${part.name} ${part.score.toFixed(0)} × ${part.weight.toFixed(2)}`);
  return (
    <Row name="market">
      <span title={`${parts.join("\n")}\nover ${sentiment.symbols} symbols, minute to ${clock(sentiment.time).slice(0, 5)}`}>
        <b>{sentiment.index.toFixed(0)}</b> of 100, {mood(sentiment.index)}
      </span>
    </Row>
  );
}
