import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { connect, createSecureContext } from "node:tls";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { controllerLeaf, makeAuthority, nodeLeaf, replaceFiles } from "../../test/lab/certificates.ts";
import { type Bed, type Handler, callOf, echo, greeting, openBed, until } from "./bed.fixture.ts";
import { NodeLink } from "./node-link.ts";

const connectionAge = { mostMs: 300, graceMs: 2000 };

let bed: Bed;

beforeEach(async () => {
  bed = await openBed();
});

afterEach(async () => {
  await bed.close();
});

test("after a connection has become old, calls go over a new one", async () => {
  const peers = new Set<string>();
  await startNode((call, callback) => {
    peers.add(call.getPeer());
    callback(null, {});
  });
  for (let count = 0; count < 4; count += 1) {
    expect(await bed.send("n1")).toEqual({ kind: "answered", response: {} });
    await setTimeout(2 * connectionAge.mostMs);
  }
  expect(peers.size).toBe(4);
});

test("a call under way is answered over its old connection", async () => {
  await startNode((_call, callback) => void globalThis.setTimeout(() => callback(null, { echo: "late" }), 1000));
  expect(await bed.send("n1")).toEqual({ kind: "answered", response: { echo: "late" } });
});

test("who got in with a key of a signer that is believed no more is out when the connection is old", async () => {
  const { port } = await startNode(echo);
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const link = new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, greeting, name: "run 1", context });
  expect(await link.call(callOf({}))).toMatchObject({ kind: "answered" });
  const other = await makeAuthority("CN=other");
  await replaceFiles(bed.node, await nodeLeaf(other), other);
  await until(() => bed.lines.filter((line) => line.includes("certificates read")).length > 2);
  await until(async () => (await link.call(callOf({})))?.kind !== "answered");
  await setTimeout(50);
  expect(await link.call(callOf({}))).toMatchObject({ kind: "unsent" });
  link.close();
});

test("who is told to stop answers the calls under way first", async () => {
  let isAnswered = false;
  const server = await startNode((_call, callback) => {
    globalThis.setTimeout(() => {
      isAnswered = true;
      callback(null, { echo: "late" });
    }, 500);
  });
  const sent = bed.send("n1");
  await until(() => bed.worked.length > 0);
  await server.stop();
  expect(isAnswered).toBe(true);
  expect(await sent).toEqual({ kind: "answered", response: { echo: "late" } });
});

test("a controller that does not hang up is hung up on", async () => {
  const server = await bed.startNode("n1", echo);
  const { cert, key } = await controllerLeaf(bed.authority);
  const caller = connect({
    ...{ host: "127.0.0.1", port: server.port, cert, key },
    ...{ rejectUnauthorized: false, ALPNProtocols: ["h2"], allowHalfOpen: true },
  });
  caller.on("error", () => undefined);
  await once(caller, "data");
  const stopped = server.stop();
  expect(await Promise.race([stopped, setTimeout(1000, "waits")])).toBe("waits");
  server.cut();
  await stopped;
  caller.destroy();
});

function startNode(handler: Handler) {
  return bed.startNode("n1", handler, 0, { connectionAge });
}
