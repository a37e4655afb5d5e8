import { once } from "node:events";
import { type AddressInfo, type Socket, connect as connectTcp } from "node:net";
import { type ConnectionOptions, type Server, type TLSSocket, connect } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import {
  type Authority,
  type Leaf,
  controllerLeaf,
  makeAuthority,
  makeLeaf,
  nodeLeaf,
} from "../../test/lab/certificates.ts";
import { identities } from "../identities.ts";
import { createGate } from "./gate.ts";

const entered: TLSSocket[] = [];
const warnings: string[] = [];
const log = { warn: (fields: object) => void warnings.push(JSON.stringify(fields)) };

let authority: Authority;
let stranger: Authority;
let node: Leaf;
let gate: Server;

beforeAll(async () => {
  [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
  node = await nodeLeaf(authority);
});

beforeEach(async () => {
  entered.length = 0;
  warnings.length = 0;
  gate?.close();
  gate = createGate((connection) => entered.push(connection.resume()), log);
  gate.setSecureContext({ ...node, ca: authority.certificate.toString("pem"), minVersion: "TLSv1.3" });
  gate.listen(0, "127.0.0.1");
  await once(gate, "listening");
});

afterAll(() => {
  gate.close();
});

test("the controller is let in", async () => {
  const socket = open(await controllerLeaf(authority));
  await once(socket, "secureConnect");
  await until(() => entered.length === 1);
  expect(socket.getProtocol()).toBe("TLSv1.3");
  expect(warnings).toEqual([]);
  socket.destroy();
});

test.each<[string, () => Promise<Leaf | undefined>]>([
  ["none", async () => undefined],
  ["the node's own", async () => node],
  ["the controller's name, for servers only", () => makeLeaf(authority, identities.controller, ["serverAuth"])],
  ["another name", () => makeLeaf(authority, identities.node, ["clientAuth"])],
  ["a name below the controller's", () => makeLeaf(authority, `x.${identities.controller}`, ["clientAuth"])],
  ["a wildcard", () => makeLeaf(authority, "*.lvm.local.csi", ["clientAuth"])],
  ["the controller's, of another signer of the same name", () => controllerLeaf(stranger)],
])("whoever shows this certificate is refused, and no byte is read of what it sends: %s", async (_name, make) => {
  await expectRefused(open(await make()));
});

test("a self-signed certificate is refused", async () => {
  const own = await makeAuthority(`CN=${identities.controller}`);
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", own.keys.privateKey)).toString("base64");
  const pem = `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`;
  await expectRefused(open({ cert: own.certificate.toString("pem"), key: pem }));
});

test("TLS 1.2 is refused", async () => {
  await expectRefused(open(await controllerLeaf(authority), { maxVersion: "TLSv1.2" }));
});

test("without a certificate of its own it serves nobody", async () => {
  gate.close();
  gate = createGate((connection) => entered.push(connection), log);
  gate.listen(0, "127.0.0.1");
  await once(gate, "listening");
  await expectRefused(open(await controllerLeaf(authority)));
});

test("many connections of one address at once take nobody else's away", async () => {
  const first = connectTcp(portOf(gate), "127.0.0.1").on("error", () => undefined);
  await once(first, "connect");
  let closed = 0;
  for (let count = 0; count < 200; count += 1) {
    const socket = connectTcp({ port: portOf(gate), host: "127.0.0.1", localAddress: "127.0.0.2" });
    socket.on("error", () => undefined).on("close", () => (closed += 1));
  }
  await until(() => closed === 200 - 63);
  expect(first.closed).toBe(false);
  first.destroy();
});

test("strangers that say nothing give way to others, also of their own address", async () => {
  const silent: Socket[] = [];
  let closed = 0;
  for (let count = 0; count < 200; count += 1) {
    const socket = connectTcp(portOf(gate), "127.0.0.1");
    socket.on("error", () => undefined).on("close", () => (closed += 1));
    await once(socket, "connect");
    silent.push(socket);
  }
  await until(() => closed === 200 - 64);
  const socket = open(await controllerLeaf(authority));
  await until(() => entered.length === 1);
  socket.destroy();
  // those that are left are hung up on after some seconds
  await until(() => closed === 200);
  expect(warnings.length).toBeLessThan(3);
}, 20_000);

async function expectRefused(socket: TLSSocket): Promise<void> {
  await until(() => socket.destroyed);
  await until(() => warnings.length > 0);
  expect(entered).toEqual([]);
  expect(warnings).toHaveLength(1);
}

/** Sends the beginning of HTTP/2 as soon as it can. */
function open(leaf: Leaf | undefined, more: ConnectionOptions = {}): TLSSocket {
  const socket = connect({
    port: portOf(gate),
    host: "127.0.0.1",
    servername: identities.node,
    ca: authority.certificate.toString("pem"),
    ALPNProtocols: ["h2"],
    ...leaf,
    ...more,
  });
  socket.on("error", () => undefined).resume();
  socket.once("secureConnect", () => socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  return socket;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
