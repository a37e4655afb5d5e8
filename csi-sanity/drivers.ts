import { writeFile } from "node:fs/promises";
import path from "node:path";
import { controllerLeaf, makeAuthority, nodeLeaf, tlsDirectory } from "../test/lab/certificates.ts";
import { type Driver, type Ending, startDriver, startRole } from "../test/lab/driver.ts";

/** Where a mode runs. All of it is on a tmpfs: a Unix socket and a mount need a filesystem of the running kernel. */
export interface Place {
  /** One for each node. */
  readonly volumeGroups: readonly string[];
  readonly directory: string;
  /** Of the node whose Node service is called. */
  readonly kubeletDirectory: string;
}

/** The driver's processes. */
export interface Drivers {
  /** Where csi-sanity calls them, as its flags. */
  readonly endpoints: readonly string[];
  /** Ends them, the controller first. */
  stop(): Promise<readonly Ending[]>;
}

/** One node, with all services on its socket. */
export async function startSingle(
  { volumeGroups, directory, kubeletDirectory }: Place,
  logFile: string,
): Promise<Drivers> {
  const socketPath = path.join(directory, "csi.sock");
  const driver = await startDriver({ socketPath, kubeletDirectory, logFile, volumeGroups });
  return { endpoints: [`--csi.endpoint=unix://${socketPath}`], stop: async () => [await driver.stop()] };
}

/** A node for each volume group, and the controller before them, with a list of the nodes. */
export async function startRouted(
  { volumeGroups, directory, kubeletDirectory }: Place,
  logFile: string,
): Promise<Drivers> {
  const authority = await makeAuthority();
  const nodeTls = await tlsDirectory(await nodeLeaf(authority), authority);
  const controllerTls = await tlsDirectory(await controllerLeaf(authority), authority);
  const nodes: { name: string; address: string; driver: Driver }[] = [];
  for (const [index, volumeGroup] of volumeGroups.entries()) {
    const name = `n${index + 1}`;
    const address = `127.0.0.1:${9811 + index}`;
    const driver = await startDriver({
      socketPath: path.join(directory, `${name}.sock`),
      kubeletDirectory: index === 0 ? kubeletDirectory : directory,
      logFile,
      volumeGroups: [volumeGroup],
      nodeName: name,
      flags: [`--remote-listen=${address}`, `--tls-directory=${nodeTls}`],
    });
    nodes.push({ name, address, driver });
  }
  const list = path.join(directory, "nodes.json");
  await writeFile(list, JSON.stringify(nodes.map(({ name, address }) => ({ name, address }))));
  const socketPath = path.join(directory, "controller.sock");
  const flags = [`--nodes=${list}`, `--tls-directory=${controllerTls}`];
  const controller = await startRole({ role: "controller", socketPath, logFile, flags });
  return {
    endpoints: [
      `--csi.endpoint=unix://${path.join(directory, "n1.sock")}`,
      `--csi.controllerendpoint=unix://${socketPath}`,
    ],
    stop: () => Promise.all([controller, ...nodes.map(({ driver }) => driver)].map((driver) => driver.stop())),
  };
}
