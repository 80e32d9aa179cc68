import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { INTERVALS, type Interval, type Market, type SymbolView } from "../feed/market";
import type { Bar } from "../feed/protocol";
import { decimal } from "../format";

const UP = "#38d9a9";
const DOWN = "#ff6b6b";
const AMENDED = "#ffc857";

interface Props {
  market: Market;
  view: SymbolView | undefined;
  interval: Interval;
  onInterval: (interval: Interval) => void;
}

export function Chart({ market, view, interval, onInterval }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<{ api: IChartApi; candles: ISeriesApi<"Candlestick">; volume: ISeriesApi<"Histogram"> } | null>(null);

  useEffect(() => {
    const api = createChart(box.current!, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: "#8b98a9", attributionLogo: true, fontFamily: "inherit" },
      grid: { vertLines: { color: "#1b2430" }, horzLines: { color: "#1b2430" } },
      timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, borderColor: "#1b2430" },
      rightPriceScale: { borderColor: "#1b2430", scaleMargins: { top: 0.08, bottom: 0.24 } },
      crosshair: { mode: 0 },
    });
    const candles = api.addSeries(CandlestickSeries, {
      upColor: UP,
      downColor: DOWN,
      wickUpColor: UP,
      wickDownColor: DOWN,
      borderVisible: false,
    });
    const volume = api.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    api.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    chart.current = { api, candles, volume };
    return () => api.remove();
  }, []);

  const key = view?.key;
  useEffect(() => {
    if (!chart.current || !key) return;
    const { api, candles, volume } = chart.current;
    const known = (): Bar[] => market.symbols.get(key)?.bars[interval] ?? [];
    const bars = known();
    const sample = Number(bars.at(-1)?.close ?? 1);
    const precision = precisionOf(sample);
    candles.applyOptions({ priceFormat: { type: "price", precision, minMove: 10 ** -precision } });
    const draw = (): void => {
      candles.setData(known().map(candle));
      volume.setData(known().map(histogram));
    };
    draw();
    api.timeScale().applyOptions({ secondsVisible: interval === "1s", barSpacing: interval === "1s" ? 7 : 10 });
    api.timeScale().scrollToRealTime();
    let frame = 0;
    const stop = market.onBar((symbol, of, bar) => {
      if (symbol !== key || of !== interval || frame) return;
      if (bar !== known().at(-1)) {
        // The chart appends and amends its last candle only, and hundreds before it may be amended at once.
        frame = requestAnimationFrame(() => {
          frame = 0;
          draw();
        });
        return;
      }
      candles.update(candle(bar));
      volume.update(histogram(bar));
    });
    return () => {
      cancelAnimationFrame(frame);
      stop();
    };
  }, [market, key, interval]);

  const bar = view?.bars[interval].at(-1);
  return (
    <section className="panel chart" aria-label="Chart">
      <div className="bar">
        <h2>
          {view ? view.symbol : "–"} <small>{view?.venue}</small>
        </h2>
        {view?.quote && (
          <p className="quote">
            <span className="up">{decimal(view.quote.bid)}</span> / <span className="down">{decimal(view.quote.ask)}</span>
          </p>
        )}
        {bar && (
          <p className="ohlc">
            VWAP {decimal(Number(bar.vwap).toFixed(precisionOf(Number(bar.close))))} · volume {decimal(bar.volume, 0)} · {bar.trades} trades
            {bar.final ? " · final" : ""}
            {bar.amended ? ", amended" : ""}
          </p>
        )}
        <div className="tabs" role="tablist">
          {INTERVALS.map((choice) => (
            <button key={choice} type="button" role="tab" aria-selected={choice === interval} onClick={() => onInterval(choice)}>
              {choice}
            </button>
          ))}
        </div>
      </div>
      <div ref={box} className="canvas" />
    </section>
  );
}

const precisionOf = (price: number): number => (price >= 1000 ? 2 : price >= 1 ? 4 : 6);

const time = (bar: Bar): UTCTimestamp => (bar.start / 1000) as UTCTimestamp;

function candle(bar: Bar) {
  const prices = { open: Number(bar.open), high: Number(bar.high), low: Number(bar.low), close: Number(bar.close) };
  // A bar that was completed afterwards is told by its wick.
  return bar.amended ? { time: time(bar), ...prices, wickColor: AMENDED } : { time: time(bar), ...prices };
}

function histogram(bar: Bar) {
  const bought = Number(bar.buy_volume) * 2 >= Number(bar.volume);
  return { time: time(bar), value: Number(bar.volume), color: bought ? "#38d9a955" : "#ff6b6b55" };
}
