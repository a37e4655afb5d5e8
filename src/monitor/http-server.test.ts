import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { type Socket, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type HttpServer, serveHttp } from "./http-server.ts";

const warned: object[] = [];
const log = { debug: () => {}, info: () => {}, warn: (fields: object) => warned.push(fields), error: () => {} };

let isAlive: () => Promise<boolean>;
let isReady: () => Promise<boolean>;
let server: HttpServer;

beforeEach(async () => {
  isAlive = async () => true;
  isReady = async () => true;
  const answers = { isAlive: () => isAlive(), isReady: () => isReady(), metrics: async () => "a 1\n" };
  server = await serveHttp({ host: "127.0.0.1", port: 0 }, answers, log);
});

afterEach(() => server.close());

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

async function ask(path: string, method = "GET"): Promise<Answer> {
  const asked = request({ host: "127.0.0.1", port: server.port, path, method, agent: false }).end();
  const [response] = await once(asked, "response");
  return { status: response.statusCode, body: await text(response), headers: response.headers };
}

test.each([
  ["/healthz", "ok\n", "text/plain; charset=utf-8"],
  ["/readyz", "ok\n", "text/plain; charset=utf-8"],
  ["/metrics", "a 1\n", "text/plain; version=0.0.4; charset=utf-8"],
])("%s answers GET, and HEAD without a body", async (path, body, type) => {
  const full = await ask(`${path}?verbose=1`);
  expect(full).toMatchObject({ status: 200, body, headers: { "content-type": type, "cache-control": "no-store" } });
  expect(await ask(path, "HEAD")).toMatchObject({ status: 200, body: "", headers: { "content-type": type } });
});

test.each([
  ["/", 404],
  ["/healthz/", 404],
  ["/metrics/x", 404],
  ["/../healthz", 404],
  ["/debug/pprof", 404],
])("%s is %i", async (path, status) => {
  expect((await ask(path)).status).toBe(status);
});

test.each(["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])("%s is refused", async (method) => {
  expect(await ask("/metrics", method)).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
});

test("what is not so, and what fails, is 503 without a word of the cause", async () => {
  isReady = async () => false;
  expect(await ask("/readyz")).toMatchObject({ status: 503, body: "not ok\n" });
  isAlive = () => Promise.reject(new Error("/secret/path"));
  expect(await ask("/healthz")).toMatchObject({ status: 503, body: "failed\n" });
  expect(warned).toEqual([{ path: "/healthz", error: "Error: /secret/path" }]);
});

test("a request that comes in drops is cut off", async () => {
  const socket = await open();
  const started = performance.now();
  socket.write("GET /healthz HTTP/1.1\r\n");
  const drops = setInterval(() => socket.write("x: y\r\n"), 500);
  await once(socket.on("error", () => undefined).resume(), "close");
  clearInterval(drops);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("headers have a limit", async () => {
  const socket = await open();
  socket.write(`GET /healthz HTTP/1.1\r\nx: ${"y".repeat(10_000)}\r\n\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 431 /);
});

test("of many idle connections the oldest goes, and a probe gets through", async () => {
  const crowd: Socket[] = [];
  for (let count = 0; count < 40; count += 1) crowd.push(await open());
  expect((await ask("/healthz")).status).toBe(200);
  const [first] = crowd;
  if (first?.closed === false) await once(first, "close");
  const last = crowd.at(-1);
  expect(last?.closed).toBe(false);
  for (const socket of crowd) socket.destroy();
});

test("a request that is being answered outlives any number of idle connections", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  isAlive = () => {
    asked.resolve();
    return answer.promise;
  };
  const probe = ask("/healthz");
  await asked.promise;
  const crowd: Socket[] = [];
  for (let count = 0; count < 100; count += 1) crowd.push(await open());
  const [first] = crowd;
  if (first?.closed === false) await once(first, "close");
  answer.resolve(true);
  expect((await probe).status).toBe(200);
  for (const socket of crowd) socket.destroy();
});

test("an address that is taken is an error", async () => {
  const { port } = server;
  const answers = { isAlive, isReady, metrics: async () => "" };
  await expect(serveHttp({ host: "127.0.0.1", port }, answers, log)).rejects.toThrow(/EADDRINUSE/);
});

async function open(): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined).resume();
  return socket;
}
