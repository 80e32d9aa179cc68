import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  TickMarkType,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { INTERVALS, type Interval, type Market, type SymbolView } from "../feed/market";
import type { Bar } from "../feed/protocol";
import { clock, decimal, moment } from "../format";
import { colour, useThemeVersion } from "../theme";


interface Props {
  market: Market;
  view: SymbolView | undefined;
  interval: Interval;
  onInterval: (interval: Interval) => void;
}

export function Chart({ market, view, interval, onInterval }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<{ api: IChartApi; candles: ISeriesApi<"Candlestick">; volume: ISeriesApi<"Histogram"> } | null>(null);

  const theme = useThemeVersion();
  useEffect(() => {
    const line = colour("line");
    const api = createChart(box.current!, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: colour("quiet"), attributionLogo: true, fontFamily: "inherit" },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 4, borderColor: line, tickMarkFormatter: tickMark },
      localization: { timeFormatter: (at: UTCTimestamp) => `${moment(at * 1000, Date.now()).replace(/\.000$/, "")} (${new Date(at * 1000).toISOString().slice(11, 19)} UTC)` },
      rightPriceScale: { borderColor: line, scaleMargins: { top: 0.08, bottom: 0.24 } },
      crosshair: { mode: 0 },
    });
    const candles = api.addSeries(CandlestickSeries, {
      upColor: colour("up"),
      downColor: colour("down"),
      wickUpColor: colour("up"),
      wickDownColor: colour("down"),
      borderVisible: false,
    });
    const volume = api.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    api.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    chart.current = { api, candles, volume };
    return () => api.remove();
  }, [theme]);

  const key = view?.key;
  useEffect(() => {
    if (!chart.current || !key) return;
    const { api, candles, volume } = chart.current;
    const known = (): Bar[] => market.symbols.get(key)?.bars[interval] ?? [];
    const bars = known();
    const sample = Number(bars.at(-1)?.close ?? 1);
    const precision = precisionOf(sample);
    candles.applyOptions({ priceFormat: { type: "price", precision, minMove: 10 ** -precision } });
    const { candle, histogram } = shapes();
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
  }, [market, key, interval, theme]);

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

/** A mark of the time axis, in the reader's zone; the axis itself counts in UTC. */
function tickMark(at: UTCTimestamp, type: TickMarkType): string {
  const date = new Date(at * 1000);
  if (type <= TickMarkType.DayOfMonth) return date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return clock(date.getTime()).slice(0, type === TickMarkType.TimeWithSeconds ? 8 : 5);
}

/** How bars are drawn, in the colours of the moment. */
function shapes() {
  const [amended, bought, sold] = [colour("warn"), colour("up", 0.33), colour("down", 0.33)];
  return {
    candle(bar: Bar) {
      const prices = { open: Number(bar.open), high: Number(bar.high), low: Number(bar.low), close: Number(bar.close) };
      // A bar that was completed afterwards is told by its wick.
      return bar.amended ? { time: time(bar), ...prices, wickColor: amended } : { time: time(bar), ...prices };
    },
    histogram(bar: Bar) {
      return { time: time(bar), value: Number(bar.volume), color: Number(bar.buy_volume) * 2 >= Number(bar.volume) ? bought : sold };
    },
  };
}
