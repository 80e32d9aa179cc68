import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection } from "./connection";
import type { ServerMessage } from "./protocol";

const KEY = { topic: "trades", symbol: "v:A-B" } as const;

class Socket {
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(readonly url: string) {}

  send(message: string): void {
    this.sent.push(JSON.parse(message));
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** What was sent since the last time of asking. */
  heard(): Record<string, unknown>[] {
    return this.sent.splice(0);
  }
}

const sockets: Socket[] = [];
const messages: ServerMessage[] = [];
const states: string[] = [];
let tickets = 0;
let connection: Connection;

beforeEach(async () => {
  vi.useFakeTimers();
  sockets.length = messages.length = states.length = tickets = 0;
  connection = new Connection(
    "ws://x/live",
    { token: () => Promise.resolve("token") },
    [["trades"], ["quotes"]],
    (message) => messages.push(message),
    (state) => states.push(state),
    {
      ticket: () => Promise.resolve(`t${++tickets}`),
      open: (url) => {
        sockets.push(new Socket(url));
        return sockets.at(-1) as unknown as WebSocket;
      },
      random: () => 0.5,
    },
  );
  await connection.open();
  sockets[0]!.accept();
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

const snapshot = (number: number) => ({ type: "snapshot", items: [{ ...KEY, positions: { 3: number }, data: [] }] });
const update = (from: number, to: number, source = 3) => ({ type: "update", sent: 1, items: [{ ...KEY, source, from, to, data: [] }] });
const resume = (number: number, source = 3) => ({ action: "resume", positions: { trades: { "v:A-B": { [source]: number } } } });

test("a connection begins with a subscription to each group of topics", () => {
  expect(sockets[0]!.url).toBe("ws://x/live?ticket=t1");
  expect(sockets[0]!.heard()).toEqual([
    { action: "subscribe", topics: ["trades"], symbols: ["*"] },
    { action: "subscribe", topics: ["quotes"], symbols: ["*"] },
  ]);
});

test("after a cut it comes back with a new ticket and goes on where it was", async () => {
  sockets[0]!.say(snapshot(10));
  sockets[0]!.say(update(11, 14));
  sockets[0]!.close();
  expect(states).toEqual(["connecting", "live", "waiting"]);
  await vi.advanceTimersByTimeAsync(125);
  expect(sockets[1]!.url).toBe("ws://x/live?ticket=t2");
  sockets[1]!.accept();
  expect(sockets[1]!.heard()).toEqual([
    { ...resume(14), topics: ["trades"], symbols: ["*"] },
    { action: "subscribe", topics: ["quotes"], symbols: ["*"] },
  ]);
});

test("a hole is asked for once, from before it, and what fills it goes on", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  socket.say(snapshot(10));
  socket.say(update(13, 13));
  socket.say(update(14, 15));
  expect(socket.heard()).toEqual([]);
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([resume(10)]);
  // Until the answer comes more of the same hole is no news.
  socket.say(update(16, 16));
  await vi.advanceTimersByTimeAsync(200);
  expect(socket.heard()).toEqual([]);
  socket.say({ ...update(11, 16), replay: true });
  socket.say({ type: "resumed", replayed: 1, reset: 0 });
  socket.say(update(17, 17));
  await vi.advanceTimersByTimeAsync(200);
  expect(socket.heard()).toEqual([]);
  expect(messages.filter((message) => message.type === "update")).toHaveLength(5);
});

test("a lost answer is asked for again", async () => {
  const [socket] = sockets as [Socket];
  socket.say(snapshot(10));
  socket.say(update(13, 13));
  await vi.advanceTimersByTimeAsync(150);
  socket.heard();
  await vi.advanceTimersByTimeAsync(5_000);
  socket.say(update(14, 14));
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([resume(10)]);
});

test("a part of an item that others follow is no hole, and a lost last part is one", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  socket.say(snapshot(10));
  socket.say(update(11, 10));
  socket.say(update(11, 12));
  socket.say(update(13, 12));
  socket.say(update(14, 14));
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([resume(12)]);
});

test("a source that speaks for the first time has position 0", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  socket.say(snapshot(10));
  socket.say(update(4, 4, 64));
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([{ action: "resume", positions: { trades: { "v:A-B": { 3: 10, 64: 0 } } } }]);
});

test("numbers before the snapshot are not counted, but those of a beginning are", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  socket.say(update(7, 8));
  socket.say(snapshot(9));
  socket.say(update(10, 10));
  socket.say({ type: "update", sent: 1, items: [{ topic: "quotes", symbol: "v:A-B", source: 3, from: 1, to: 1, data: [] }] });
  socket.say({ type: "update", sent: 1, items: [{ topic: "quotes", symbol: "v:A-B", source: 3, from: 3, to: 3, data: [] }] });
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([{ action: "resume", positions: { quotes: { "v:A-B": { 3: 1 } } } }]);
});

test("what is reset is begun anew by its snapshot", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  socket.say(snapshot(10));
  socket.say({ type: "reset", items: [{ ...KEY, source: 3, reason: "unknown" }] });
  socket.say(snapshot(2));
  socket.say(update(3, 3));
  await vi.advanceTimersByTimeAsync(150);
  expect(socket.heard()).toEqual([]);
});

test("a socket that does not answer a ping is given up", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  await vi.advanceTimersByTimeAsync(240_000);
  expect(socket.heard()).toEqual([{ action: "ping" }]);
  socket.say({ type: "pong" });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(socket.readyState).toBe(1);
  await vi.advanceTimersByTimeAsync(230_000);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(socket.readyState).toBe(3);
  expect(states.at(-1)).not.toBe("live");
});

test("positions that fit no message are asked for in several, and a beginning of them anew", async () => {
  const [socket] = sockets as [Socket];
  const names = Array.from({ length: 2_000 }, (_, n) => `venue:SYMBOL${n}-USDT`);
  socket.heard();
  socket.say({ type: "snapshot", items: names.map((symbol) => ({ topic: "trades", symbol, positions: { 3: 1 }, data: [] })) });
  socket.say({ type: "update", sent: 1, items: names.map((symbol) => ({ topic: "trades", symbol, source: 3, from: 5, to: 5, data: [] })) });
  await vi.advanceTimersByTimeAsync(150);
  const asked = socket.heard() as { positions: { trades: Record<string, unknown> } }[];
  expect(asked.length).toBeGreaterThan(1);
  for (const message of asked) expect(JSON.stringify(message).length).toBeLessThan(32_000);
  expect(asked.flatMap((message) => Object.keys(message.positions.trades)).sort()).toEqual([...names].sort());
  socket.close();
  await vi.advanceTimersByTimeAsync(125);
  sockets[1]!.accept();
  expect(sockets[1]!.heard()[0]).toEqual({ action: "subscribe", topics: ["trades"], symbols: ["*"] });
});

test("more topics are asked for once, and again after a cut", async () => {
  const [socket] = sockets as [Socket];
  socket.heard();
  connection.add(["bars.5m", "trades"]);
  connection.add(["bars.5m"]);
  expect(socket.heard()).toEqual([{ action: "subscribe", topics: ["bars.5m"], symbols: ["*"] }]);
  socket.close();
  await vi.advanceTimersByTimeAsync(125);
  sockets[1]!.accept();
  expect(sockets[1]!.heard().map((message) => message.topics)).toEqual([["trades"], ["quotes"], ["bars.5m"]]);
});

test("who closes it does not want it back", async () => {
  connection.close();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sockets).toHaveLength(1);
});
