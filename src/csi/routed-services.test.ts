import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type Authority, controllerLeaf, makeAuthority, nodeLeaf, tlsDirectory } from "../../test/lab/certificates.ts";
import { type CsiClient, connectCsi } from "../../test/lab/csi-client.ts";
import type { KnownNode } from "../remote/node-directory.ts";
import { type RemoteServer, serveRemote } from "../remote/node-server.ts";
import { TlsDirectory } from "../remote/tls-directory.ts";
import type { ControllerHandlers } from "./generated/csi/v1/Controller.ts";
import { type RoutedServices, routedServices } from "./routed-services.ts";
import type { Call, Service } from "./rpc.ts";
import { type RunningServer, addService, serve } from "./server.ts";
import { loadServices } from "./services.ts";

const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const volumeId = "n1/vg0/pvc-00000000-0000-0000-0000-000000000001";
const mode = "SINGLE_NODE_SINGLE_WRITER" as const;

let authority: Authority;
let directory: string;
let controllerTls: string;
let nodeTls: string;
/** What the node watches `nodeTls` with. */
let nodeWatch: TlsDirectory;
let services: RoutedServices;
let server: RunningServer;
let client: CsiClient;
let node: RemoteServer;
let handlers: Service<ControllerHandlers>;
const seen: { request: unknown; call: Call }[] = [];
const known = new Map<string, KnownNode>();

beforeEach(async () => {
  authority = await makeAuthority();
  directory = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-routed."));
  controllerTls = await tlsDirectory(await controllerLeaf(authority), authority);
  handlers = {};
  seen.length = 0;
  await startNode();
  await startController();
});

afterEach(async () => {
  client.close();
  void server.stop();
  services.close();
  void node.stop();
  node.cut();
  nodeWatch.stop();
  for (const made of [directory, controllerTls, nodeTls]) await rm(made, { recursive: true });
});

test("request and response pass through with all that is in them", async () => {
  const request = {
    name: "pvc-00000000-0000-0000-0000-000000000001",
    capacityRange: { requiredBytes: "9007199254740991", limitBytes: "0" },
    volumeCapabilities: [{ mount: { fsType: "xfs", mountFlags: ["noatime"] }, accessMode: { mode } }],
    parameters: { "csi.storage.k8s.io/pvc/name": "data-\u00e4" },
    secrets: { key: "value" },
    accessibilityRequirements: { preferred: [{ segments: { "topology.lvm.local.csi/node": "n1", zone: "a" } }] },
  };
  const volume = {
    volumeId,
    capacityBytes: "9007199254740991",
    volumeContext: { a: "b" },
    accessibleTopology: [{ segments: { "topology.lvm.local.csi/node": "n1" } }],
  };
  handlers.CreateVolume = (...args) => note(args, { volume });
  expect(await client.Controller.CreateVolume(request)).toMatchObject({ volume });
  expect(seen[0]?.request).toMatchObject(request);
});

test("a confirmation, a list and a condition pass through", async () => {
  const volumeCapabilities = [{ block: {}, accessMode: { mode } }];
  const confirmed = { volumeContext: { a: "b" }, volumeCapabilities, parameters: { c: "d" } };
  handlers.ValidateVolumeCapabilities = (...args) => note(args, { confirmed, message: "" });
  expect(await client.Controller.ValidateVolumeCapabilities({ volumeId, volumeCapabilities })).toMatchObject({
    confirmed,
  });
  const status = { volumeCondition: { abnormal: true, message: "errors" }, publishedNodeIds: [] };
  const entry = { volume: { volumeId, capacityBytes: "1" }, status };
  handlers.ListVolumes = (...args) => note(args, { entries: [entry] });
  expect(await client.Controller.ListVolumes({})).toMatchObject({ entries: [entry], nextToken: "" });
  handlers.ControllerGetVolume = (...args) => note(args, entry);
  expect(await client.Controller.ControllerGetVolume({ volumeId })).toMatchObject(entry);
  handlers.ControllerExpandVolume = (...args) => note(args, { capacityBytes: "2", nodeExpansionRequired: true });
  const expansion = { volumeId, capacityRange: { requiredBytes: "2" } };
  const answer = await client.Controller.ControllerExpandVolume(expansion);
  expect(answer).toEqual({ capacityBytes: "2", nodeExpansionRequired: true });
});

test("the node is given less time than there is", async () => {
  handlers.DeleteVolume = (...args) => note(args, new Promise(() => undefined));
  const deadline = Date.now() + 2000;
  await expect(client.Controller.DeleteVolume({ volumeId }, 2000)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  expect(Date.now()).toBeLessThan(deadline);
  const given = seen[0]?.call.deadline ?? Infinity;
  expect(given).toBeLessThan(deadline);
  expect(given).toBeGreaterThan(deadline - 1500);
});

test("what the caller cancels is cancelled on the node", async () => {
  handlers.DeleteVolume = (...args) => {
    const { promise, resolve } = Promise.withResolvers<object>();
    args[1].signal.addEventListener("abort", () => resolve({}));
    return note(args, promise);
  };
  const { path: rpc, requestSerialize, responseDeserialize } = loadServices().Controller["DeleteVolume"]!;
  const caller = new Client(`unix:${path.join(directory, "csi.sock")}`, credentials.createInsecure());
  const options = { deadline: Date.now() + 60_000 };
  const request = { volumeId };
  const call = caller.makeUnaryRequest(rpc, requestSerialize, responseDeserialize, request, options, ignore);
  const { signal } = await until(() => seen[0]?.call);
  const cancelledAt = Date.now();
  call.cancel();
  await until(() => signal.aborted || undefined);
  expect(Date.now() - cancelledAt).toBeLessThan(10_000);
  caller.close();
});

test("the controller is ready when it knows the nodes and has a certificate", async () => {
  expect(await client.Identity.Probe({})).toEqual({ ready: { value: true } });
  expect(await client.Identity.GetPluginInfo({})).toMatchObject({ name: "lvm.local.csi", vendorVersion: "1.2.3" });
  client.close();
  void server.stop();
  services.close();
  await rm(path.join(controllerTls, "tls.crt"));
  await startController();
  expect(await client.Identity.Probe({})).toEqual({ ready: { value: false } });
  await expect(client.Controller.DeleteVolume({ volumeId })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(seen).toEqual([]);
});

test("what the controller does not offer is refused, and the Node service is not there", async () => {
  await expect(client.Controller.ControllerPublishVolume({})).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
  await expect(client.Node.NodeGetInfo({})).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
});

async function until<Value>(look: () => Value | undefined): Promise<Value> {
  for (;;) {
    const value = look();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function note<Response>([request, call]: readonly [unknown, Call], response: Response): Response {
  seen.push({ request, call });
  return response;
}

async function startController(): Promise<void> {
  services = await routedServices({
    directory: {
      nodes: () => [...known.values()],
      find: (name) => known.get(name),
      isGone: () => Promise.resolve(false),
      isSynced: () => true,
      close: () => Promise.resolve(),
    },
    tls: new TlsDirectory(controllerTls, log),
    log,
    version: "1.2.3",
  });
  const socket = path.join(directory, "csi.sock");
  server = await serve(socket, services.register);
  client = connectCsi(socket);
}

async function startNode(): Promise<void> {
  const { Identity, Controller } = loadServices();
  nodeTls = await tlsDirectory(await nodeLeaf(authority), authority);
  nodeWatch = new TlsDirectory(nodeTls, log);
  const options = { listen: { host: "127.0.0.1", port: 0 }, tls: nodeWatch, topologyValue: "n1", log };
  node = await serveRemote(options, (grpc) => {
    addService(grpc, Identity, { GetPluginInfo: () => ({}) }, { log });
    const names = Object.keys(Controller) as (keyof Service<ControllerHandlers>)[];
    // what a test has set when the call comes
    const late = names.map((name) => [
      name,
      (request: never, call: Call) =>
        (handlers[name] as ((request: never, call: Call) => object) | undefined)?.(request, call),
    ]);
    addService(grpc, Controller, Object.fromEntries(late), { log });
  });
  known.set("n1", { topologyValue: "n1", address: `127.0.0.1:${node.port}`, isReady: true });
}

function ignore(): void {}
