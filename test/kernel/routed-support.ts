import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type SecureContext, type TLSSocket, connect, createSecureContext } from "node:tls";
import type { MethodDefinition } from "@grpc/grpc-js";
import { loadServices } from "../../src/csi/services.ts";
import { identities } from "../../src/identities.ts";
import { NodeLink } from "../../src/remote/node-link.ts";
import type { Outcome } from "../../src/remote/outcome.ts";
import { controllerLeaf, makeAuthority, nodeLeaf, tlsDirectory } from "../lab/certificates.ts";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, type Ending, startRole } from "../lab/driver.ts";
import { until } from "./process-support.ts";
import { type World, logicalVolumes, openWorld } from "./world.ts";

/** Two nodes, each with a volume group on a disk of its own, behind one controller. */
export interface RoutedCluster {
  readonly nodes: { readonly n1: World; readonly n2: World };
  /** The controller's services. */
  readonly rpc: CsiClient["Identity"] & CsiClient["Controller"];
  readonly controller: () => Driver;
  /** Starts the controller again, after it has been stopped or killed. */
  readonly start: () => Promise<void>;
  /** Calls a node as the controller does, with an empty request. */
  readonly callAsController: (node: NodeName, method: Method | undefined) => Promise<Outcome<object>>;
  /** Connects to a node as the controller does; the connection stays open until it is destroyed. */
  readonly connectAsController: (node: NodeName) => Promise<TLSSocket>;
  readonly close: () => Promise<readonly Ending[]>;
}

type Method = MethodDefinition<object, object>;
export type NodeName = keyof RoutedCluster["nodes"];
export const nodeNames: readonly NodeName[] = ["n1", "n2"];

const addresses = { n1: "127.0.0.1:9811", n2: "127.0.0.1:9812" } as const;

export async function openRoutedCluster(): Promise<RoutedCluster> {
  const directory = await mkdtemp("/run/routed-");
  const authority = await makeAuthority();
  const nodeTls = await tlsDirectory(await nodeLeaf(authority), authority);
  const controllerTls = await tlsDirectory(await controllerLeaf(authority), authority);
  const [first = "", second = ""] = (process.env["LAB_DISKS"] ?? "").split(" ");
  const nodes = {
    n1: await openWorld([first], nodeFlags("n1", nodeTls)),
    n2: await openWorld([second], nodeFlags("n2", nodeTls)),
  };
  const list = nodeNames.map((name) => ({ name, address: addresses[name] }));
  await writeFile(join(directory, "nodes.json"), JSON.stringify(list));
  const socketPath = join(directory, "csi.sock");
  const launch = (): Promise<Driver> =>
    startRole({
      role: "controller",
      socketPath,
      logFile: join(directory, "controller.log"),
      flags: [`--tls-directory=${controllerTls}`, `--nodes=${join(directory, "nodes.json")}`],
    });
  let controller = await launch();
  const client = connectCsi(socketPath);
  return {
    nodes,
    rpc: { ...client.Identity, ...client.Controller },
    controller: () => controller,
    start: async () => {
      controller = await launch();
      await until("the controller is found again", () => client.Identity.Probe({}).catch(() => undefined));
    },
    callAsController: (node, method) => callNode(controllerTls, node, method),
    connectAsController: (node) => connectToNode(controllerTls, node),
    close: async () => {
      client.close();
      return [await controller.stop(), await nodes.n1.close(), await nodes.n2.close()];
    },
  };
}

async function callNode(directory: string, node: NodeName, method: Method | undefined): Promise<Outcome<object>> {
  const greeting = loadServices().Identity["GetPluginInfo"];
  if (method === undefined || greeting === undefined) throw new Error("no such method");
  const context = await contextOf(directory);
  const link = new NodeLink({ node, address: addresses[node], context, name: "test 1", greeting });
  const outcome = await link.call({ method, request: {}, deadline: undefined, signal: new AbortController().signal });
  if (outcome === undefined) throw new Error("the link was closed");
  link.close();
  return outcome;
}

async function connectToNode(directory: string, node: NodeName): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(`tcp://${addresses[node]}`);
  const secureContext = await contextOf(directory);
  const connection = connect({
    ...{ host, port: Number(port), servername: identities.node, secureContext },
    ...{ ALPNProtocols: ["h2"], allowHalfOpen: true },
  });
  await once(connection, "secureConnect");
  return connection;
}

async function contextOf(directory: string): Promise<SecureContext> {
  const [cert, key, ca] = await Promise.all(
    ["tls.crt", "tls.key", "ca.crt"].map((name) => readFile(join(directory, name))),
  );
  return createSecureContext({ cert, key, ca });
}

function nodeFlags(name: NodeName, tls: string): readonly string[] {
  return [`--node-name=${name}`, `--remote-listen=${addresses[name]}`, `--tls-directory=${tls}`];
}

/** What the volume is to be on. */
export function on(...names: readonly NodeName[]) {
  const topologies = names.map((name) => ({ segments: { "topology.lvm.local.csi/node": name } }));
  return { requisite: topologies, preferred: topologies };
}

/** The logical volumes of both nodes; a name that is on both comes twice. */
export async function allVolumes({ nodes }: RoutedCluster): Promise<readonly string[]> {
  return (await Promise.all(nodeNames.map((node) => logicalVolumes(nodes[node])))).flat();
}

/** On which nodes there is a logical volume of this name. */
export async function holders({ nodes }: RoutedCluster, name: string): Promise<readonly NodeName[]> {
  const found = await Promise.all(
    nodeNames.map(async (node) => ((await logicalVolumes(nodes[node])).includes(name) ? [node] : [])),
  );
  return found.flat();
}
