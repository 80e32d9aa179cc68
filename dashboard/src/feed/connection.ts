import type { ServerMessage, Topic } from "./protocol";

export type ConnectionState = "connecting" | "live" | "waiting";

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const PING_MS = 240_000; // API Gateway closes a connection after ten idle minutes.

/** A WebSocket that subscribes on every connect and comes back by itself, with full jitter. */
export class Connection {
  private socket: WebSocket | null = null;
  private backoff = FIRST_BACKOFF_MS;
  private closed = false;
  private ping: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly topics: Topic[],
    private readonly onMessage: (message: ServerMessage) => void,
    private readonly onState: (state: ConnectionState) => void,
  ) {}

  open(): void {
    this.onState("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.backoff = FIRST_BACKOFF_MS;
      this.onState("live");
      socket.send(JSON.stringify({ action: "subscribe", topics: this.topics, symbols: ["*"] }));
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
      if (this.closed) return;
      this.onState("waiting");
      this.retry = setTimeout(() => this.open(), Math.random() * this.backoff);
      this.backoff = Math.min(this.backoff * 2, MAX_BACKOFF_MS);
    };
  }

  close(): void {
    this.closed = true;
    clearInterval(this.ping);
    clearTimeout(this.retry);
    this.socket?.close();
  }
}
