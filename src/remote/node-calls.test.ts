import { rm } from "node:fs/promises";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { controllerLeaf, makeAuthority, nodeLeaf, replaceFiles } from "../../test/lab/certificates.ts";
import { type Bed, callOf, echo, openBed, until } from "./bed.fixture.ts";

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
  server.cut();
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

test("a node with a certificate that is not a node's is not spoken to", async () => {
  await replaceFiles(bed.node, await controllerLeaf(bed.authority), bed.authority);
  await bed.startNode("n1", echo);
  expect(await bed.send("n1")).toMatchObject({ kind: "unsent" });
  expect(bed.worked).toEqual([]);
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
