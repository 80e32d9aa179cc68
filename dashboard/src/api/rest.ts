import type { Session } from "../feed/session";

/** What the server says is wrong (RFC 9457), in a sentence for people. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    /** By parameter, what does not fit. */
    readonly faults: Record<string, string> = {},
  ) {
    super(detail);
  }
}

interface ProblemBody {
  detail?: string;
  errors?: { parameter: string; message: string }[];
}

const TIMEOUT_MS = 30_000;

/** The REST API, asked as the session's user. */
export class Rest {
  constructor(
    private readonly session: Session,
    private readonly fetcher: typeof fetch = (...request) => fetch(...request),
  ) {}

  get<T>(path: string, query: Record<string, string | number | undefined> = {}): Promise<T> {
    const named = Object.entries(query).filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== "");
    const text = new URLSearchParams(named.map(([name, value]) => [name, String(value)])).toString();
    return this.ask<T>(text ? `${path}?${text}` : path, {});
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.ask<T>(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  private async ask<T>(path: string, request: RequestInit): Promise<T> {
    const token = await this.session.token();
    let reply: Response;
    try {
      reply = await this.fetcher(path, {
        ...request,
        headers: { ...request.headers, Authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new Refused(0, "The server cannot be reached.");
    }
    if (reply.ok) return (await reply.json()) as T;
    const problem = (await reply.json().catch(() => ({}))) as ProblemBody;
    const faults = Object.fromEntries((problem.errors ?? []).map((error) => [error.parameter, error.message]));
    throw new Refused(reply.status, problem.detail ?? `The server answered ${reply.status}.`, faults);
  }
}
