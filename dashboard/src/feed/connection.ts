import { Positions, type PositionsBySource } from "./positions";
import type { ServerMessage, Topic } from "./protocol";
import type { Session } from "./session";

export type ConnectionState = "connecting" | "live" | "waiting";

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const PING_MS = 240_000; // API Gateway closes a connection after ten idle minutes.
const PONG_MS = 10_000;
const FILL_MS = 100; // Holes seen within this time are asked for together; as much again of jitter.
const ASKED_MS = 5_000; // What was asked for is not asked for again before its answer, or this time.
const MAX_MESSAGE = 32_000;

/** What a connection needs of the browser, so that a test can be one. */
export interface Wire {
  ticket(token: string): Promise<string>;
  open(url: string): WebSocket;
  random(): number;
}

/**
 * A WebSocket that comes back by itself, with full jitter, and goes on where it was: after a cut, and wherever the
 * numbers of what it is told have a hole, it asks for what it missed. A browser sends no header with a WebSocket, so
 * each connect begins with a ticket, which is good once.
 */
export class Connection {
  private readonly positions = new Positions();
  private readonly holes = new Set<string>();
  private readonly asked = new Map<string, number>();
  private socket: WebSocket | null = null;
  private backoff = FIRST_BACKOFF_MS;
  private closed = false;
  private ping: ReturnType<typeof setInterval> | undefined;
  private pong: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private fill: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly session: Session,
    private readonly subscriptions: (readonly Topic[])[],
    private readonly onMessage: (message: ServerMessage) => void,
    private readonly onState: (state: ConnectionState) => void,
    private readonly wire: Wire = BROWSER,
  ) {}

  async open(): Promise<void> {
    this.onState("connecting");
    let ticket: string;
    try {
      ticket = await this.wire.ticket(await this.session.token());
    } catch (error) {
      console.warn("no ticket", error);
      this.comeBack();
      return;
    }
    if (this.closed) return;
    const socket = this.wire.open(`${this.url}?ticket=${ticket}`);
    this.socket = socket;
    socket.onopen = () => {
      this.backoff = FIRST_BACKOFF_MS;
      this.onState("live");
      for (const topics of this.subscriptions) this.send(this.entry(topics));
      this.ping = setInterval(() => this.sendPing(), PING_MS);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      try {
        this.take(JSON.parse(event.data) as ServerMessage);
      } catch (error) {
        console.error("unreadable message", error);
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.quiet();
      this.comeBack();
    };
  }

  /** Listen to more topics from now on; those that are listened to already change nothing. */
  add(topics: readonly Topic[]): void {
    const more = topics.filter((topic) => !this.subscriptions.some((known) => known.includes(topic)));
    if (more.length === 0) return;
    this.subscriptions.push(more);
    this.send(this.entry(more));
  }

  /** Drop the connection and come back as somebody else: another user, or one whose roles have changed. */
  renew(): void {
    this.socket?.close();
  }

  close(): void {
    this.closed = true;
    this.quiet();
    clearTimeout(this.retry);
    this.socket?.close();
  }

  private take(message: ServerMessage): void {
    if (message.type === "pong") clearTimeout(this.pong);
    if (message.type === "resumed") this.asked.clear();
    for (const key of this.positions.take(message)) this.holes.add(key);
    this.onMessage(message);
    if (this.holes.size > 0) this.fill ??= setTimeout(() => this.fillHoles(), FILL_MS * (1 + this.wire.random()));
  }

  /** How a connection begins with some topics: where it left off, or where that is nowhere, or too long, anew. */
  private entry(topics: readonly Topic[]): string {
    const known = this.positions.of();
    const positions: PositionsBySource = {};
    for (const topic of topics) if (known[topic] !== undefined) positions[topic] = known[topic];
    const asked = { topics, symbols: ["*"] };
    const resume = JSON.stringify({ action: "resume", ...asked, positions });
    const none = Object.keys(positions).length === 0;
    return none || resume.length > MAX_MESSAGE ? JSON.stringify({ action: "subscribe", ...asked }) : resume;
  }

  private fillHoles(): void {
    this.fill = undefined;
    const now = Date.now();
    const wanted = [...this.holes].filter((key) => now - (this.asked.get(key) ?? 0) > ASKED_MS);
    this.holes.clear();
    for (let keys = wanted; keys.length > 0; ) {
      let count = keys.length;
      let message: string;
      do {
        message = JSON.stringify({ action: "resume", positions: this.positions.of(keys.slice(0, count)) });
        count = message.length > MAX_MESSAGE && count > 1 ? Math.floor(count / 2) : count;
      } while (message.length > MAX_MESSAGE && count > 1);
      this.send(message);
      for (const key of keys.slice(0, count)) this.asked.set(key, now);
      keys = keys.slice(count);
    }
  }

  private sendPing(): void {
    this.send(JSON.stringify({ action: "ping" }));
    // A socket may look open long after the network under it has gone.
    this.pong = setTimeout(() => this.socket?.close(), PONG_MS);
  }

  private send(message: string): void {
    if (this.socket?.readyState === OPEN) this.socket.send(message);
  }

  private quiet(): void {
    clearInterval(this.ping);
    clearTimeout(this.pong);
    clearTimeout(this.fill);
    this.fill = undefined;
    this.holes.clear();
    this.asked.clear();
  }

  private comeBack(): void {
    if (this.closed) return;
    this.onState("waiting");
    this.retry = setTimeout(() => void this.open(), this.wire.random() * this.backoff);
    this.backoff = Math.min(this.backoff * 2, MAX_BACKOFF_MS);
  }
}

const OPEN = 1;

const BROWSER: Wire = {
  async ticket(token) {
    const reply = await fetch("/ws-tickets", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    if (!reply.ok) throw new Error(`/ws-tickets: ${reply.status}`);
    return ((await reply.json()) as { ticket: string }).ticket;
  },
  open: (url) => new WebSocket(url),
  random: Math.random,
};
