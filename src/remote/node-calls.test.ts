import { rm } from "node:fs/promises";
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import {
  type Authority,
  controllerLeaf,
  makeAuthority,
  nodeLeaf,
  replaceFiles,
  tlsDirectory,
} from "../../test/lab/certificates.ts";
import { type Message, jsonMethod } from "./json-method.fixture.ts";
import { NodeCalls } from "./node-calls.ts";
import type { KnownNode } from "./node-directory.ts";
import type { RemoteCall } from "./node-link.ts";
import { type RemoteServer, serveRemote } from "./node-server.ts";
import { TlsDirectory } from "./tls-directory.ts";

type Handler = (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => void;

const greeting = jsonMethod("/test/Greet");
const work = jsonMethod("/test/Work");
const lines: string[] = [];
const log = { debug: note, info: note, warn: note, error: note };

let authority: Authority;
let directory: { controller: string; node: string };
let calls: NodeCalls;
const known = new Map<string, KnownNode>();
const servers: RemoteServer[] = [];
const watches: TlsDirectory[] = [];
/** What nodes were asked to work on. */
const worked: Message[] = [];

beforeAll(async () => {
  authority = await makeAuthority();
});

beforeEach(async () => {
  directory = {
    controller: await tlsDirectory(await controllerLeaf(authority), authority),
    node: await tlsDirectory(await nodeLeaf(authority), authority),
  };
  calls = newCalls();
  await calls.open();
});

afterEach(async () => {
  calls.close();
  for (const server of servers.splice(0)) {
    void server.stop();
    server.cut();
  }
  for (const watch of watches.splice(0)) watch.stop();
  for (const path of Object.values(directory)) await rm(path, { recursive: true });
  known.clear();
  worked.length = 0;
  lines.length = 0;
});

test("a call reaches the node and comes back", async () => {
  await startNode("n1", (call, callback) => callback(null, { echo: call.request["text"] ?? "" }));
  expect(await send("n1", { text: "a" })).toEqual({ kind: "answered", response: { echo: "a" } });
});

test("a node's error comes with its code and words", async () => {
  await startNode("n1", (_call, callback) => callback({ code: status.ABORTED, details: "zeroing 43 %" }));
  expect(await send("n1")).toEqual({ kind: "refused", code: status.ABORTED, details: "zeroing 43 %" });
});

test("nothing is sent where nobody is", async () => {
  expect(await send("n1")).toEqual({ kind: "unsent", reason: "it is not known to have a driver" });
  know("n1", undefined);
  expect(await send("n1")).toEqual({ kind: "unsent", reason: "no driver runs there" });
  const server = await startNode("n1", echo);
  await server.stop();
  server.cut();
  const started = performance.now();
  expect(await send("n1")).toMatchObject({ kind: "unsent", reason: expect.stringContaining("ECONNREFUSED") });
  expect(performance.now() - started).toBeLessThan(1000);
});

test("a node that comes back is found at once, at its new address too", async () => {
  const server = await startNode("n1", echo);
  expect(await send("n1")).toMatchObject({ kind: "answered" });
  server.cut();
  await server.stop();
  await until(async () => (await send("n1")).kind === "unsent");
  for (let count = 0; count < 5; count += 1) expect(await send("n1")).toMatchObject({ kind: "unsent" });
  await startNode("n1", echo);
  expect(await send("n1")).toMatchObject({ kind: "answered" });
});

test("another node at the address makes nothing, and its word is not taken", async () => {
  const server = await startNode("n2", echo);
  know("n1", `127.0.0.1:${server.port}`);
  expect(await send("n1")).toEqual({ kind: "unsent", reason: 'node "n2" is at its address' });
  expect(worked).toEqual([]);
  expect(await send("n2")).toMatchObject({ kind: "answered" });
});

test("an address that goes to another node between two calls", async () => {
  const server = await startNode("n1", echo);
  expect(await send("n1", { text: "first" })).toMatchObject({ kind: "answered" });
  server.cut();
  await server.stop();
  await startNode("n2", echo, server.port);
  know("n1", `127.0.0.1:${server.port}`);
  await until(async () => (await send("n1", { text: "second" })).kind === "unsent");
  expect(worked).toEqual([{ text: "first" }]);
});

test("a node that dies under a call has not answered", async () => {
  const server = await startNode("n1", () => server.cut());
  expect(await send("n1")).toMatchObject({ kind: "unanswered" });
  expect(worked).toHaveLength(1);
});

test("an answer later than the deadline is none", async () => {
  await startNode("n1", () => undefined);
  const outcome = await send("n1", {}, { deadline: Date.now() + 700 });
  expect(outcome).toMatchObject({ kind: "unanswered", code: status.DEADLINE_EXCEEDED });
});

test("deadline and cancellation travel with the call", async () => {
  const deadlines: number[] = [];
  const cancelled = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await startNode("n1", (call) => {
    deadlines.push(Number(call.getDeadline()));
    call.on("cancelled", () => cancelled.resolve());
    begun.resolve();
  });
  const deadline = Date.now() + 60_000;
  const abort = new AbortController();
  const outcome = send("n1", {}, { deadline, signal: abort.signal });
  await begun.promise;
  abort.abort();
  expect(await outcome).toMatchObject({ kind: "unanswered", code: status.CANCELLED });
  await cancelled.promise;
  expect(Math.abs((deadlines[0] ?? 0) - deadline)).toBeLessThan(1000);
});

test("a node with a certificate that is not a node's is not spoken to", async () => {
  await replaceFiles(directory.node, await controllerLeaf(authority), authority);
  await startNode("n1", echo);
  expect(await send("n1")).toMatchObject({ kind: "unsent" });
  expect(worked).toEqual([]);
});

test("new certificates count without a restart, for a new signer too; bad files change nothing", async () => {
  await startNode("n1", echo);
  expect(await send("n1")).toMatchObject({ kind: "answered" });
  const other = await makeAuthority("CN=other");
  await replaceFiles(directory.controller, { cert: "junk", key: "junk" }, authority);
  await until(() => lines.some((line) => line.includes("those read before are kept")));
  expect(await send("n1")).toMatchObject({ kind: "answered" });
  await replaceFiles(directory.controller, await controllerLeaf(other), other);
  await until(async () => (await send("n1")).kind === "unsent");
  await replaceFiles(directory.node, await nodeLeaf(other), other);
  await until(async () => (await send("n1")).kind === "answered");
});

test("a call under way ends as it would have when a new certificate comes", async () => {
  let answer: (() => void) | undefined;
  await startNode("n1", (_call, callback) => {
    answer = () => callback(null, { echo: "late" });
  });
  const outcome = send("n1");
  await until(() => answer !== undefined);
  await replaceFiles(directory.controller, await controllerLeaf(authority), authority);
  await until(() => lines.filter((line) => line.includes("certificates read")).length > 2);
  answer?.();
  expect(await outcome).toEqual({ kind: "answered", response: { echo: "late" } });
});

test("a controller without certificates sends nothing", async () => {
  await startNode("n1", echo);
  await rm(`${directory.controller}/tls.key`);
  const others = newCalls();
  await others.open();
  expect(others.hasCertificates).toBe(false);
  expect(await others.send("n1", callOf({}))).toMatchObject({ kind: "unsent" });
  others.close();
});

function newCalls(): NodeCalls {
  const tls = new TlsDirectory(directory.controller, log, 50);
  return new NodeCalls({ directory: { find: (node) => known.get(node) }, tls, greeting, log });
}

function send(node: string, request: Message = {}, more: Partial<RemoteCall<Message, Message>> = {}) {
  return calls.send<Message, Message>(node, { ...callOf(request), ...more });
}

function callOf(request: Message): RemoteCall<Message, Message> {
  return { method: work, request, deadline: undefined, signal: new AbortController().signal };
}

async function startNode(name: string, handler: Handler, port = 0): Promise<RemoteServer> {
  const tls = new TlsDirectory(directory.node, log, 50);
  watches.push(tls);
  const options = { listen: { host: "127.0.0.1", port }, tls, topologyValue: name, log };
  const server = await serveRemote(options, (grpc: Server) =>
    grpc.addService(
      { Greet: greeting, Work: work },
      {
        Greet: (_call: unknown, callback: sendUnaryData<Message>) => callback(null, {}),
        Work: ((call, callback) => {
          worked.push(call.request);
          handler(call, callback);
        }) satisfies Handler,
      },
    ),
  );
  servers.push(server);
  know(name, `127.0.0.1:${server.port}`);
  return server;
}

function know(topologyValue: string, address: string | undefined): void {
  known.set(topologyValue, { topologyValue, address, isReady: true });
}

function echo(call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>): void {
  callback(null, { echo: call.request["text"] ?? "" });
}

function note(fields: object, message: string): void {
  lines.push(`${message} ${JSON.stringify(fields)}`);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
