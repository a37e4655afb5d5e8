import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type RemoteServer, serveRemote } from "../../src/remote/node-server.ts";
import { TlsDirectory } from "../../src/remote/tls-directory.ts";
import { addService } from "../../src/csi/server.ts";
import { loadServices } from "../../src/csi/services.ts";
import { type Authority, controllerLeaf, nodeLeaf, tlsDirectory } from "../lab/certificates.ts";
import { connectCsi } from "../lab/csi-client.ts";
import { startRole } from "../lab/driver.ts";
import { proportionalBytes } from "../lab/memory.ts";
import { MiB, createRequest } from "./bed.ts";
import { imageCommand } from "./image-command.ts";
import { type Row, atMost, countRow } from "./row.ts";
import { timed } from "./samples.ts";

const nodeCount = 500;

/** A controller of many nodes, which are servers of this process that know the answer to every call. */
export async function measureManyNodes(directory: string, authority: Authority): Promise<readonly Row[]> {
  const servers = await startNodes(await tlsDirectory(await nodeLeaf(authority), authority));
  const list = path.join(directory, "many-nodes.json");
  await writeFile(list, JSON.stringify(servers.map(({ name, server }) => ({ name, address: addressOf(server) }))));
  const socketPath = path.join(directory, "many.sock");
  const tls = await tlsDirectory(await controllerLeaf(authority), authority);
  const start = performance.now();
  const controller = await startRole({
    role: "controller",
    socketPath,
    logFile: path.join(directory, "many.log"),
    flags: [`--nodes=${list}`, `--tls-directory=${tls}`, "--log-level=warn"],
    ...(await imageCommand()),
  });
  const client = connectCsi(socketPath);
  const topologies = [{ segments: { "topology.lvm.local.csi/node": "n250" } }];
  const accessibilityRequirements = { requisite: topologies, preferred: topologies };
  await client.Controller.CreateVolume({ ...createRequest(), accessibilityRequirements });
  const firstCall = performance.now() - start;
  const before = await proportionalBytes(controller.pid);
  const all = await timed(() => client.Controller.GetCapacity({}));
  const again = await timed(() => client.Controller.GetCapacity({}));
  const after = await proportionalBytes(controller.pid);
  client.close();
  await controller.stop();
  for (const { server } of servers) {
    void server.stop();
    server.cut();
  }
  console.error(`many nodes: first connection to all ${all.toFixed(0)} ms, to all again ${again.toFixed(0)} ms`);
  return [
    countRow(`controller of ${nodeCount} nodes: start to its first CreateVolume, ms`, firstCall, atMost(5000)),
    countRow(`controller of ${nodeCount} nodes: memory with one connection, MiB`, before / MiB, atMost(75)),
    countRow(`controller of ${nodeCount} nodes: memory with all connections, MiB`, after / MiB, atMost(160)),
  ];
}

interface Server {
  readonly name: string;
  readonly server: RemoteServer;
}

async function startNodes(tlsFiles: string): Promise<readonly Server[]> {
  const { Identity, Controller } = loadServices();
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const servers: Server[] = [];
  for (let index = 0; index < nodeCount; index += 1) {
    const name = `n${index}`;
    const volume = { volumeId: `${name}/vg0/pvc-0`, capacityBytes: "1" };
    const services = { CreateVolume: () => ({ volume }), GetCapacity: () => ({ availableCapacity: "1" }) };
    const tls = new TlsDirectory(tlsFiles, log, 3_600_000);
    const options = { listen: { host: "127.0.0.1", port: 0 }, tls, topologyValue: name, log };
    const server = await serveRemote(options, (grpc) => {
      addService(grpc, Identity, { GetPluginInfo: () => ({}) }, { log });
      addService(grpc, Controller, services, { log });
    });
    servers.push({ name, server });
  }
  return servers;
}

function addressOf({ port }: RemoteServer): string {
  return `127.0.0.1:${port}`;
}

function ignore(): void {}
