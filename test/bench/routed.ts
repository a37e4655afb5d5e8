import { writeFile } from "node:fs/promises";
import path from "node:path";
import { controllerLeaf, makeAuthority, nodeLeaf, tlsDirectory } from "../lab/certificates.ts";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { startRole } from "../lab/driver.ts";
import { type Bed, createRequest, openBed } from "./bed.ts";
import { imageCommand } from "./image-command.ts";
import { measureManyNodes } from "./many-nodes.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

const address = "127.0.0.1:9810";
const onIt = [{ segments: { "topology.lvm.local.csi/node": "n1" } }];
const accessibilityRequirements = { requisite: onIt, preferred: onIt };

/** What it costs that a call goes through the cluster's controller. */
export async function measureRouted(rounds: number): Promise<readonly Row[]> {
  const authority = await makeAuthority();
  const nodeTls = await tlsDirectory(await nodeLeaf(authority), authority);
  const controllerTls = await tlsDirectory(await controllerLeaf(authority), authority);
  const bed = await openBed({ flags: [`--remote-listen=${address}`, `--tls-directory=${nodeTls}`] });
  const routed = await startController(bed, controllerTls);
  const samples = await interleaved(rounds, {
    direct: () => create(bed, bed.rpc),
    routed: () => create(bed, routed.Controller),
  });
  routed.close();
  return [
    ratioRow(
      "CreateVolume through the controller, p50 ms : direct",
      median(samples.routed),
      median(samples.direct),
      atMost(1.15),
    ),
    ...(await measureManyNodes(bed.directory, authority)),
  ];
}

async function startController({ directory }: Bed, tls: string): Promise<CsiClient> {
  const nodes = path.join(directory, "nodes.json");
  await writeFile(nodes, JSON.stringify([{ name: "n1", address }]));
  const socketPath = path.join(directory, "controller.sock");
  await startRole({
    role: "controller",
    socketPath,
    logFile: path.join(directory, "controller.log"),
    flags: [`--nodes=${nodes}`, `--tls-directory=${tls}`],
    ...(await imageCommand()),
  });
  return connectCsi(socketPath);
}

async function create({ rpc }: Bed, { CreateVolume }: Pick<CsiClient["Controller"], "CreateVolume">): Promise<number> {
  const request = { ...createRequest(), accessibilityRequirements };
  let volumeId = "";
  const milliseconds = await timed(async () => {
    volumeId = (await CreateVolume(request)).volume?.volumeId ?? "";
  });
  await rpc.DeleteVolume({ volumeId });
  return milliseconds;
}
