import { beforeEach, describe, expect, it } from "vitest";
import { type Browser, challengeOf, LocalSession, LoginSession } from "./session";

const LOGIN = { url: "https://login.example", clientId: "page" };
const HOUR = 3_600_000;

interface Asked {
  url: string;
  body: URLSearchParams;
}

/** A browser at the page's address that answers each request with the next of `replies`. */
class FakeBrowser implements Browser {
  gone: string[] = [];
  asked: Asked[] = [];
  replies: Response[] = [];
  address = new URL("https://page.example/");
  private readonly stored = new Map<string, string>();

  readonly sessionStorage = {
    getItem: (key: string) => this.stored.get(key) ?? null,
    setItem: (key: string, value: string) => void this.stored.set(key, value),
    removeItem: (key: string) => void this.stored.delete(key),
  };
  readonly history = { replaceState: (_: null, __: string, url: string) => void (this.address = new URL(url)) };

  get location() {
    const { origin, pathname, search } = this.address;
    return { origin, pathname, search, assign: (url: string) => void this.gone.push(url) };
  }

  async fetch(url: string, init?: RequestInit): Promise<Response> {
    this.asked.push({ url, body: new URLSearchParams(init?.body as string) });
    const reply = this.replies.shift();
    if (reply === undefined) throw new Error(`nobody expected ${url}`);
    return reply;
  }
}

const tokens = (access: string, refresh?: string) =>
  Response.json({ access_token: access, expires_in: 3600, ...(refresh === undefined ? {} : { refresh_token: refresh }) });
const spent = () => Response.json({ error: "invalid_grant" }, { status: 400 });

let browser: FakeBrowser;
let now: number;
let session: LoginSession;

beforeEach(() => {
  browser = new FakeBrowser();
  now = 0;
  session = new LoginSession(LOGIN, browser, () => now);
});

/** Ask for a token, which never comes, and give where the browser was sent. */
async function sentAway(from: LoginSession = session): Promise<URL> {
  const before = browser.gone.length;
  void from.token();
  await expect.poll(() => browser.gone.length).toBe(before + 1);
  return new URL(browser.gone[before]!);
}

/** Come back from the login pages with a code, as a new page with nothing in memory. */
async function comeBack(changes: Record<string, string> = {}): Promise<LoginSession> {
  const sent = await sentAway();
  const query = new URLSearchParams({ code: "c0de", state: sent.searchParams.get("state")!, ...changes });
  browser.address = new URL(`https://page.example/?${query}`);
  return new LoginSession(LOGIN, browser, () => now);
}

describe("a login", () => {
  it("begins at the user pool with a challenge", async () => {
    const sent = await sentAway();
    expect(sent.origin + sent.pathname).toBe("https://login.example/oauth2/authorize");
    expect(Object.fromEntries(sent.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "page",
      redirect_uri: "https://page.example/",
      code_challenge_method: "S256",
    });
  });

  it("turns the code into a token with the verifier of the challenge, and clears the address", async () => {
    const sent = await sentAway();
    browser.address = new URL(`https://page.example/?code=c0de&state=${sent.searchParams.get("state")}`);
    browser.replies = [tokens("a1", "r1")];
    expect(await new LoginSession(LOGIN, browser).token()).toBe("a1");
    const [{ url, body }] = browser.asked as [Asked];
    expect(url).toBe("https://login.example/oauth2/token");
    expect(Object.fromEntries(body)).toMatchObject({
      grant_type: "authorization_code",
      client_id: "page",
      code: "c0de",
      redirect_uri: "https://page.example/",
    });
    expect(await challengeOf(body.get("code_verifier")!)).toBe(sent.searchParams.get("code_challenge"));
    expect(browser.address.search).toBe("");
  });

  it("makes the challenge of RFC 7636, appendix B", async () => {
    const challenge = await challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    expect(challenge).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
  });

  it("takes no code that answers somebody else's question", async () => {
    const returned = await comeBack({ state: "somebody else's" });
    await sentAway(returned);
    expect(browser.asked).toEqual([]);
  });

  it("takes no code that nobody here asked for", async () => {
    browser.address = new URL("https://page.example/?code=c0de&state=s");
    await sentAway();
    expect(browser.asked).toEqual([]);
  });

  it("begins again where the code is spent", async () => {
    const returned = await comeBack();
    browser.replies = [spent()];
    await sentAway(returned);
  });

  it("is not begun again because the user pool does not answer", async () => {
    const returned = await comeBack();
    browser.replies = [new Response("", { status: 503 })];
    await expect(returned.token()).rejects.toThrow("503");
    expect(browser.gone.length).toBe(1);
  });
});

describe("a token", () => {
  it("serves until shortly before its end and is renewed then", async () => {
    const returned = await comeBack();
    browser.replies = [tokens("a1", "r1"), tokens("a2"), tokens("a3")];
    expect(await returned.token()).toBe("a1");
    now = HOUR - 61_000;
    expect(await returned.token()).toBe("a1");
    now = HOUR - 59_000;
    expect(await returned.token()).toBe("a2");
    now = 2 * HOUR;
    expect(await returned.token()).toBe("a3");
    expect(browser.asked.slice(1).map(({ body }) => body.get("refresh_token"))).toEqual(["r1", "r1"]);
  });

  it("that cannot be renewed sends to the login", async () => {
    const returned = await comeBack();
    browser.replies = [tokens("a1", "r1"), spent()];
    await returned.token();
    now = 13 * HOUR;
    await sentAway(returned);
  });

  it("of a local run comes from its page server", async () => {
    browser.replies = [Response.json({ accessToken: "local" }), new Response("", { status: 503 })];
    const local = new LocalSession("/token", browser);
    expect(await local.token()).toBe("local");
    await expect(local.token()).rejects.toThrow("/token: 503");
  });
});
