import { expect, test } from "vitest";
import { rolesOf } from "../feed/roles";
import { Refused, Rest } from "./rest";

const session = { token: () => Promise.resolve("t") };

function rest(status: number, body: string, asked: [string, RequestInit][] = []): Rest {
  return new Rest(session, (url, init) => {
    asked.push([String(url), init ?? {}]);
    return Promise.resolve(new Response(body, { status }));
  });
}

test("a question carries the token and only what it has", async () => {
  const asked: [string, RequestInit][] = [];
  expect(await rest(200, '{"a":1}', asked).get("/v1/x", { kind: "frame", since: undefined, venue: "", limit: 5 })).toEqual({ a: 1 });
  expect(asked[0]![0]).toBe("/v1/x?kind=frame&limit=5");
  expect(asked[0]![1].headers).toEqual({ Authorization: "Bearer t" });
});

test("an order is JSON", async () => {
  const asked: [string, RequestInit][] = [];
  await rest(200, "{}", asked).post("/v1/x", { a: "ü" });
  expect(asked[0]![1]).toMatchObject({ method: "POST", body: '{"a":"ü"}', headers: { "Content-Type": "application/json" } });
});

test("a problem says its sentence and what does not fit", async () => {
  const body = JSON.stringify({ detail: "Some parameters do not fit.", errors: [{ parameter: "stop", message: "must be positive" }] });
  const error = await rest(422, body).get("/v1/x").catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({ status: 422, message: "Some parameters do not fit.", faults: { stop: "must be positive" } });
});

test("an answer that is no problem document is told by its number", async () => {
  await expect(rest(502, "<html>").get("/v1/x")).rejects.toThrow("The server answered 502.");
});

test("a server that is away is told as such", async () => {
  const away = new Rest(session, () => Promise.reject(new TypeError("failed to fetch")));
  await expect(away.get("/v1/x")).rejects.toThrow("cannot be reached");
});

test("roles are read from a token, and none from what is none", () => {
  const body = btoa(JSON.stringify({ "cognito:groups": ["guests", "operator", "viewer"] })).replace(/=+$/, "");
  expect(rolesOf(`h.${body}.s`)).toEqual(["viewer", "operator"]);
  for (const token of ["", "x", "a.b.c", `h.${btoa("{}")}.s`, `h.${btoa('{"cognito:groups":"operator"}')}.s`]) expect(rolesOf(token)).toEqual([]);
});
