import type { ServerMessage, Topic } from "./protocol";
import type { Session } from "./session";

export type ConnectionState = "connecting" | "live" | "waiting";

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const PING_MS = 240_000; // API Gateway closes a connection after ten idle minutes.

/**
 * A WebSocket that subscribes on every connect and comes back by itself, with full jitter. A browser sends no header
 * with one, so each connect begins with a ticket, which is good once.
 */
export class Connection {
  private socket: WebSocket | null = null;
  private backoff = FIRST_BACKOFF_MS;
  private closed = false;
  private ping: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly session: Session,
    private readonly subscriptions: readonly (readonly Topic[])[],
    private readonly onMessage: (message: ServerMessage) => void,
    private readonly onState: (state: ConnectionState) => void,
  ) {}

  async open(): Promise<void> {
    this.onState("connecting");
    let ticket: string;
    try {
      ticket = await newTicket(await this.session.token());
    } catch (error) {
      console.warn("no ticket", error);
      this.comeBack();
      return;
    }
    if (this.closed) return;
    const socket = new WebSocket(`${this.url}?ticket=${ticket}`);
    this.socket = socket;
    socket.onopen = () => {
      this.backoff = FIRST_BACKOFF_MS;
      this.onState("live");
      for (const topics of this.subscriptions) socket.send(JSON.stringify({ action: "subscribe", topics, symbols: ["*"] }));
      this.ping = setInterval(() => socket.send(JSON.stringify({ action: "ping" })), PING_MS);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      try {
        this.onMessage(JSON.parse(event.data) as ServerMessage);
      } catch (error) {
        console.error("unreadable message", error);
      }
    };
    socket.onclose = () => {
      clearInterval(this.ping);
      this.comeBack();
    };
  }

  close(): void {
    this.closed = true;
    clearInterval(this.ping);
    clearTimeout(this.retry);
    this.socket?.close();
  }

  private comeBack(): void {
    if (this.closed) return;
    this.onState("waiting");
    this.retry = setTimeout(() => void this.open(), Math.random() * this.backoff);
    this.backoff = Math.min(this.backoff * 2, MAX_BACKOFF_MS);
  }
}

async function newTicket(token: string): Promise<string> {
  const reply = await fetch("/ws-tickets", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  if (!reply.ok) throw new Error(`/ws-tickets: ${reply.status}`);
  return ((await reply.json()) as { ticket: string }).ticket;
}
