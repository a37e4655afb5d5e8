import { once } from "node:events";
import { rm } from "node:fs/promises";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { controllerLeaf, makeAuthority, makeLeaf, nodeLeaf, replaceFiles } from "../../test/lab/certificates.ts";
import { type Bed, callOf, echo, openBed, until } from "./bed.fixture.ts";
import { identities } from "./names.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await openBed();
});

afterEach(async () => {
  await bed.close();
});

test("a call reaches the node and comes back", async () => {
  await bed.startNode("n1", (call, callback) => callback(null, { echo: call.request["text"] ?? "" }));
  expect(await bed.send("n1", { text: "a" })).toEqual({ kind: "answered", response: { echo: "a" } });
});

test("a node's error comes with its code and words", async () => {
  await bed.startNode("n1", (_call, callback) => callback({ code: status.ABORTED, details: "zeroing 43 %" }));
  expect(await bed.send("n1")).toEqual({ kind: "refused", code: status.ABORTED, details: "zeroing 43 %" });
});

test("nothing is sent where nobody is", async () => {
  expect(await bed.send("n1")).toEqual({ kind: "unsent", reason: "it is not known to have a driver" });
  bed.know("n1", undefined);
  expect(await bed.send("n1")).toEqual({ kind: "unsent", reason: "no driver runs there" });
  const server = await bed.startNode("n1", echo);
  await server.stop();
  const started = performance.now();
  expect(await bed.send("n1")).toMatchObject({ kind: "unsent", reason: expect.stringContaining("ECONNREFUSED") });
  expect(performance.now() - started).toBeLessThan(1000);
});

test("a node that comes back is found at once, at its new address too", async () => {
  const server = await bed.startNode("n1", echo);
  expect(await bed.send("n1")).toMatchObject({ kind: "answered" });
  server.cut();
  await server.stop();
  await until(async () => (await bed.send("n1")).kind === "unsent");
  for (let count = 0; count < 5; count += 1) expect(await bed.send("n1")).toMatchObject({ kind: "unsent" });
  await bed.startNode("n1", echo);
  expect(await bed.send("n1")).toMatchObject({ kind: "answered" });
});

test("another node at the address makes nothing, and its word is not taken", async () => {
  const server = await bed.startNode("n2", echo);
  bed.know("n1", `127.0.0.1:${server.port}`);
  expect(await bed.send("n1")).toEqual({ kind: "unsent", reason: 'node "n2" is at its address' });
  expect(bed.worked).toEqual([]);
  expect(await bed.send("n2")).toMatchObject({ kind: "answered" });
});

test("an address that goes to another node between two calls", async () => {
  const server = await bed.startNode("n1", echo);
  expect(await bed.send("n1", { text: "first" })).toMatchObject({ kind: "answered" });
  server.cut();
  await server.stop();
  await bed.startNode("n2", echo, server.port);
  bed.know("n1", `127.0.0.1:${server.port}`);
  await until(async () => (await bed.send("n1", { text: "second" })).kind === "unsent");
  expect(bed.worked).toEqual([{ text: "first" }]);
});

test("a node that dies under a call has not answered", async () => {
  const server = await bed.startNode("n1", () => server.cut());
  expect(await bed.send("n1")).toMatchObject({ kind: "unanswered" });
  expect(bed.worked).toHaveLength(1);
});

test("an answer later than the deadline is none", async () => {
  await bed.startNode("n1", () => undefined);
  const outcome = await bed.send("n1", {}, { deadline: Date.now() + 700 });
  expect(outcome).toMatchObject({ kind: "unanswered", code: status.DEADLINE_EXCEEDED });
});

test("deadline and cancellation travel with the call", async () => {
  const deadlines: number[] = [];
  const cancelled = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await bed.startNode("n1", (call) => {
    deadlines.push(Number(call.getDeadline()));
    call.on("cancelled", () => cancelled.resolve());
    begun.resolve();
  });
  const deadline = Date.now() + 60_000;
  const abort = new AbortController();
  const outcome = bed.send("n1", {}, { deadline, signal: abort.signal });
  await begun.promise;
  abort.abort();
  expect(await outcome).toMatchObject({ kind: "unanswered", code: status.CANCELLED });
  await cancelled.promise;
  expect(Math.abs((deadlines[0] ?? 0) - deadline)).toBeLessThan(1000);
});

const longAgo = new Date(Date.now() - 60_000);

test.each<[string, () => Promise<void>]>([
  [
    "the node's is not a node's",
    async () => replaceFiles(bed.node, await controllerLeaf(bed.authority), bed.authority),
  ],
  ["the node's has expired", async () => replaceFiles(bed.node, await expired("node"), bed.authority)],
  ["the node's is another signer's", replaceNodeSigner],
  [
    "the controller's has expired",
    async () => replaceFiles(bed.controller, await expired("controller"), bed.authority),
  ],
  [
    "the controller's is not a controller's",
    async () => replaceFiles(bed.controller, await nodeLeaf(bed.authority), bed.authority),
  ],
])("certificates that do not fit say nothing of whether a node is there: %s", async (_case, change) => {
  await change();
  await bed.startNode("n1", echo);
  await until(async () => (await bed.send("n1")).kind === "unsent");
  for (let count = 0; count < 3; count += 1) {
    expect(await bed.send("n1")).toMatchObject({ kind: "unsent", saysNothing: true });
  }
});

test("an expired certificate is none", async () => {
  expect(bed.calls.hasCertificates).toBe(true);
  await replaceFiles(bed.controller, await expired("controller"), bed.authority);
  await until(() => !bed.calls.hasCertificates);
});

test("a node that is away may be left out", async () => {
  const server = await bed.startNode("n1", echo);
  await server.stop();
  expect(await bed.send("n1")).toEqual({ kind: "unsent", reason: expect.stringContaining("ECONNREFUSED") });
});

test("calls that wait for a greeting go on over another connection when theirs is closed for something else", async () => {
  const server = await bed.startNode("n1", echo);
  const relay = await startRelay(server.port);
  bed.know("n1", `127.0.0.1:${relay.port}`);
  const outcomes = [bed.send("n1", { text: "a" }), bed.send("n1", { text: "b" })];
  await until(() => relay.waiting() > 0);
  // as new certificates do
  bed.calls.close();
  relay.open();
  expect(await Promise.all(outcomes)).toEqual([
    { kind: "answered", response: { echo: "a" } },
    { kind: "answered", response: { echo: "b" } },
  ]);
  expect(bed.worked).toHaveLength(2);
  await relay.close();
});

test("a call that loses its connection again and again concludes nothing", async () => {
  const server = await bed.startNode("n1", echo);
  const relay = await startRelay(server.port);
  bed.know("n1", `127.0.0.1:${relay.port}`);
  const outcome = bed.send("n1");
  for (let count = 1; count <= 4; count += 1) {
    await until(() => relay.waiting() >= count);
    bed.calls.close();
  }
  expect(await outcome).toMatchObject({ kind: "unsent", saysNothing: true });
  await relay.close();
});

test("new certificates count without a restart, for a new signer too; bad files change nothing", async () => {
  await bed.startNode("n1", echo);
  expect(await bed.send("n1")).toMatchObject({ kind: "answered" });
  const other = await makeAuthority("CN=other");
  await replaceFiles(bed.controller, { cert: "junk", key: "junk" }, bed.authority);
  await until(() => bed.lines.some((line) => line.includes("those read before are kept")));
  expect(await bed.send("n1")).toMatchObject({ kind: "answered" });
  await replaceFiles(bed.controller, await controllerLeaf(other), other);
  await until(async () => (await bed.send("n1")).kind === "unsent");
  await replaceFiles(bed.node, await nodeLeaf(other), other);
  await until(async () => (await bed.send("n1")).kind === "answered");
});

test("a call under way ends as it would have when a new certificate comes", async () => {
  let answer: (() => void) | undefined;
  await bed.startNode("n1", (_call, callback) => {
    answer = () => callback(null, { echo: "late" });
  });
  const outcome = bed.send("n1");
  await until(() => answer !== undefined);
  await replaceFiles(bed.controller, await controllerLeaf(bed.authority), bed.authority);
  await until(() => bed.lines.filter((line) => line.includes("certificates read")).length > 2);
  answer?.();
  expect(await outcome).toEqual({ kind: "answered", response: { echo: "late" } });
});

test("a controller without certificates sends nothing", async () => {
  await bed.startNode("n1", echo);
  await rm(`${bed.controller}/tls.key`);
  const others = bed.newCalls();
  await others.open();
  expect(others.hasCertificates).toBe(false);
  expect(await others.send("n1", callOf({}))).toMatchObject({ kind: "unsent" });
  others.close();
});

/** Passes connections on, once it is opened. */
async function startRelay(port: number) {
  const sockets: Socket[] = [];
  let isOpen = false;
  const pass = (socket: Socket): void => {
    const further = connect(port, "127.0.0.1").on("error", () => undefined);
    socket.pipe(further).pipe(socket);
    // a pipe does not pass on that its source was destroyed
    socket.once("close", () => further.destroy());
  };
  const relay = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    if (isOpen) pass(socket);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    port: (relay.address() as AddressInfo).port,
    waiting: () => sockets.length,
    open: () => {
      isOpen = true;
      for (const socket of sockets) pass(socket);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, "close");
    },
  };
}

function expired(whose: "controller" | "node") {
  const usage = whose === "node" ? "serverAuth" : "clientAuth";
  return makeLeaf(bed.authority, identities[whose], [usage], longAgo);
}

async function replaceNodeSigner(): Promise<void> {
  const other = await makeAuthority("CN=other");
  await replaceFiles(bed.node, await nodeLeaf(other), other);
}
