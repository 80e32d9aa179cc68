import type { Role } from "./roles";

/** Where people log in: the user pool's own pages, and the id that it knows this page by. */
export interface Login {
  url: string;
  clientId: string;
}

/** Gives access tokens; what it takes to get one is its own affair. */
export interface Session {
  token(): Promise<string>;
  /** Go on as a user of another role, where that is possible. */
  become?(role: Role): void;
}

/** What a session needs of the browser, so that a test can be one. */
export interface Browser {
  readonly location: { readonly origin: string; readonly pathname: string; readonly search: string; assign(url: string): void };
  readonly history: { replaceState(data: null, unused: string, url: string): void };
  readonly sessionStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void; removeItem(key: string): void };
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

interface Tokens {
  access_token: string;
  refresh_token?: string;
  expires_in: number;
}

const PENDING = "tickwire.login";
const RENEW_MS = 60_000; // A token is renewed this long before its end.

const ROLE = "tickwire.role";

/** A local run: its page server gives the tokens of a user of each role. */
export class LocalSession implements Session {
  private role: string;

  constructor(
    private readonly url: string,
    private readonly browser: Browser,
  ) {
    this.role = browser.sessionStorage.getItem(ROLE) ?? "operator";
  }

  become(role: Role): void {
    this.role = role;
    this.browser.sessionStorage.setItem(ROLE, role);
  }

  async token(): Promise<string> {
    const reply = await this.browser.fetch(`${this.url}?role=${encodeURIComponent(this.role)}`);
    if (!reply.ok) throw new Error(`${this.url}: ${reply.status}`);
    return ((await reply.json()) as { accessToken: string }).accessToken;
  }
}

/**
 * A login by authorization code with PKCE (RFC 7636). Tokens stay in memory: a page that is loaded anew goes by the
 * login pages again, which remember for an hour who was there.
 */
export class LoginSession implements Session {
  private tokens: Tokens | null = null;
  private renewAt = 0;

  constructor(
    private readonly login: Login,
    private readonly browser: Browser,
    private readonly now: () => number = Date.now,
  ) {}

  async token(): Promise<string> {
    if (this.tokens !== null && this.now() < this.renewAt) return this.tokens.access_token;
    const fresh = (await this.renewed()) ?? (await this.returned());
    if (fresh === null) return this.leave();
    // A renewal brings no new refresh token.
    this.tokens = { ...fresh, refresh_token: fresh.refresh_token ?? this.tokens?.refresh_token };
    this.renewAt = this.now() + fresh.expires_in * 1000 - RENEW_MS;
    return fresh.access_token;
  }

  /** Where the login comes back to, letter for letter as the user pool knows it. */
  private get home(): string {
    return this.browser.location.origin + this.browser.location.pathname;
  }

  private async renewed(): Promise<Tokens | null> {
    const token = this.tokens?.refresh_token;
    if (token === undefined) return null;
    return this.ask({ grant_type: "refresh_token", refresh_token: token });
  }

  /** Take the code that the login pages sent the browser back with, if it answers our own question. */
  private async returned(): Promise<Tokens | null> {
    const query = new URLSearchParams(this.browser.location.search);
    const pending = this.browser.sessionStorage.getItem(PENDING);
    const code = query.get("code");
    if (code === null || pending === null) return null;
    this.browser.sessionStorage.removeItem(PENDING);
    this.browser.history.replaceState(null, "", this.home);
    const { state, verifier } = JSON.parse(pending) as { state: string; verifier: string };
    if (query.get("state") !== state) return null;
    return this.ask({ grant_type: "authorization_code", code, code_verifier: verifier, redirect_uri: this.home });
  }

  private async ask(parameters: Record<string, string>): Promise<Tokens | null> {
    const reply = await this.browser.fetch(`${this.login.url}/oauth2/token`, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ client_id: this.login.clientId, ...parameters }).toString(),
    });
    // 400 is the answer to a code or a token that is used up; anything else may pass.
    if (reply.status === 400) return null;
    if (!reply.ok) throw new Error(`the login does not answer: ${reply.status}`);
    return (await reply.json()) as Tokens;
  }

  private async leave(): Promise<never> {
    const state = random();
    const verifier = random();
    this.browser.sessionStorage.setItem(PENDING, JSON.stringify({ state, verifier }));
    const query = new URLSearchParams({
      response_type: "code",
      client_id: this.login.clientId,
      redirect_uri: this.home,
      scope: "openid",
      state,
      code_challenge: await challengeOf(verifier),
      code_challenge_method: "S256",
    });
    this.browser.location.assign(`${this.login.url}/oauth2/authorize?${query}`);
    return new Promise(() => undefined); // The page is about to go.
  }
}

/** RFC 7636, section 4.2, method S256. */
export async function challengeOf(verifier: string): Promise<string> {
  return base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)).buffer);
}

function base64url(bytes: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
