import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type Server as TlsServer, createSecureContext } from "node:tls";
import { Metadata, Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { controllerLeaf, nodeLeaf } from "../../test/lab/certificates.ts";
import { type Bed, type Handler, callOf, echo, greeting, openBed } from "./bed.fixture.ts";
import { createGate } from "./gate.ts";
import { headers } from "./names.ts";
import { NodeLink } from "./node-link.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await openBed();
});

afterEach(async () => {
  await bed.close();
});

test("what arrives over a connection that was given up is not carried out", async () => {
  const { port } = await bed.startNode("n1", echo);
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const [old, young] = ["run 1", "run 2"].map(
    (name) => new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, greeting, name, context }),
  );
  expect(await old?.call(callOf({ text: "in time" }))).toMatchObject({ kind: "answered" });
  expect(await young?.call(callOf({ text: "new" }))).toMatchObject({ kind: "answered" });
  expect(await old?.call(callOf({ text: "late" }))).toMatchObject({
    kind: "unsent",
    reason: expect.stringMatching(/came late/),
  });
  expect(bed.worked.map(({ text }) => text)).toEqual(["in time", "new"]);
  old?.close();
  young?.close();
});

test.each([
  ["another node's", "n2", 'node "n2" answered in its place'],
  ["no", undefined, "no answer"],
])("an answer that carries %s name is none", async (_whose, name, reason) => {
  const trailers = new Metadata();
  if (name !== undefined) trailers.set(headers.node, name);
  const impostor = await startImpostor((_call, callback) => callback(null, { made: "it" }, trailers));
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const link = new NodeLink({ node: "n1", address: `127.0.0.1:${portOf(impostor)}`, context, name: "run 1", greeting });
  expect(await link.call(callOf({}))).toEqual({ kind: "unsent", reason, saysNothing: true });
  link.close();
  impostor.close();
});

test("a node that takes connections and does not answer in time is silent, and not away", async () => {
  const standing = await startImpostor(() => undefined);
  const link = await linkTo(portOf(standing));
  const outcome = await link.call(callOf({}));
  link.close();
  standing.close();
  expect(outcome).toMatchObject({ kind: "unsent", isSilent: true });
}, 15_000);

test("a caller who gives up before anything was sent knows nothing of the node", async () => {
  const { port } = await bed.startNode("n1", echo);
  const link = await linkTo(port);
  const outcome = await link.call({ ...callOf({}), signal: AbortSignal.abort() });
  link.close();
  expect(outcome).toMatchObject({ kind: "unsent", isSilent: true });
});

test("a call after one that was not answered goes over a new connection", async () => {
  await bed.startNode("n1", (call, callback) => {
    if (call.request["text"] !== "silence") callback(null, { link: String(call.metadata.get(headers.link)[0]) });
  });
  const before = await bed.send("n1");
  expect(await bed.send("n1", { text: "silence" }, { deadline: Date.now() + 300 })).toMatchObject({
    kind: "unanswered",
  });
  const after = await bed.send("n1");
  expect(after).toMatchObject({ kind: "answered" });
  expect(after).not.toEqual(before);
  expect(await bed.send("n1")).toEqual(after);
});

test("of many runs of a controller the one that is heard of is remembered", async () => {
  const { port } = await bed.startNode("n1", echo);
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const made: NodeLink[] = [];
  const callOver = (name: string) => {
    const link = new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, greeting, name, context });
    made.push(link);
    return link.call(callOf({}));
  };
  for (let count = 1; count <= 16; count += 1) {
    expect(await callOver(`other-${count} 1`)).toMatchObject({ kind: "answered" });
    expect(await callOver("run 2")).toMatchObject({ kind: "answered" });
  }
  expect(await callOver("run 1")).toMatchObject({ kind: "unsent", reason: expect.stringMatching(/came late/) });
  for (const link of made) link.close();
});

test("over a closed link nothing is sent", async () => {
  const { port } = await bed.startNode("n1", echo);
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const link = new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, greeting, name: "run 1", context });
  const waiting = link.call(callOf({}));
  link.close();
  expect(await waiting).toBeUndefined();
  expect(await link.call(callOf({}))).toBeUndefined();
  expect(bed.worked).toEqual([]);
});

async function linkTo(port: number): Promise<NodeLink> {
  const ca = bed.authority.certificate.toString("pem");
  const context = createSecureContext({ ...(await controllerLeaf(bed.authority)), ca });
  return new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, context, name: "run 1", greeting });
}

/** A server with a node's certificate that puts into its answers what it likes. */
async function startImpostor(answer: Handler): Promise<TlsServer> {
  const server = new Server();
  server.addService({ Greet: greeting }, { Greet: answer });
  const entrance = server.createConnectionInjector(ServerCredentials.createInsecure());
  const gate = createGate((connection) => entrance.injectConnection(connection), bed.log);
  gate.setSecureContext({
    ...(await nodeLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  gate.listen(0, "127.0.0.1");
  await once(gate, "listening");
  return gate;
}

function portOf(server: TlsServer): number {
  return (server.address() as AddressInfo).port;
}
