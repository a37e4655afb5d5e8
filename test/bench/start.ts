import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectCsi } from "../lab/csi-client.ts";
import { type Bed, openBed } from "./bed.ts";
import { type ImageCommand, imageCommand } from "./image-command.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median } from "./samples.ts";

/** From the start of the process to the first Probe that is ready, against what can be no faster. */
export async function measureStart(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  // a volume group has one driver at a time
  await bed.driver.stop();
  const command = await imageCommand();
  const samples = await interleaved(rounds, {
    start: () => startToReady(bed, command),
    bare: () => bed.spawner.run([process.execPath, "-e", "0"], ["vgs", bed.volumeGroup]),
  });
  return [
    ratioRow(
      "start to first Probe ready, p50 ms : node -e 0 + spawned vgs",
      median(samples.start),
      median(samples.bare),
      atMost(2.5),
    ),
  ];
}

async function startToReady(bed: Bed, { program: [file, ...args], environment }: ImageCommand): Promise<number> {
  const socketPath = path.join(bed.directory, "start.sock");
  await rm(socketPath, { force: true });
  const flags = [
    ...["node", `--csi-endpoint=unix://${socketPath}`, "--node-name=n1", `--volume-group=${bed.volumeGroup}`],
    `--kubelet-directory=${bed.directory}/kubelet`,
  ];
  const client = connectCsi(socketPath);
  const env = { ...process.env, ...environment };
  const start = performance.now();
  const child = spawn(file, [...args, ...flags], { env, stdio: "ignore" });
  // A look at the directory costs little. Connecting in vain takes the laboratory's only processor from the driver.
  while (!existsSync(socketPath)) await pause(10);
  while (!(await accepts(socketPath))) await pause(10);
  while ((await client.Identity.Probe({})).ready?.value !== true) await pause(10);
  const milliseconds = performance.now() - start;
  client.close();
  child.kill();
  await once(child, "exit");
  return milliseconds;
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
