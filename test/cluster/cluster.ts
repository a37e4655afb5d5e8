import { mkdir } from "node:fs/promises";
import path from "node:path";
import { agentAddress, nodeName } from "./addresses.ts";
import { type Places, startApiServer, startControllers, startEtcd } from "./control-plane.ts";
import { makeAuthority, makeConfiguration } from "./keys.ts";
import { makeNetwork } from "./network.ts";
import { bootNode, makeNode, type NodeMaterial } from "./node.ts";
import { adminConfiguration, runDirectory } from "./paths.ts";
import type { Process } from "./process.ts";
import { shell } from "./shell.ts";
import { until } from "./until.ts";

/** What a cluster is made of, and how large it shall be. */
export interface Plan extends Omit<NodeMaterial, "memoryDirectory"> {
  readonly nodes: number;
}

/** A cluster that runs, in the namespaces that this process is in. */
export interface Cluster {
  /** Cuts the node's power. */
  kill(node: string): Promise<void>;
  /** Switches the node on again, and returns when it takes commands. */
  start(node: string): Promise<void>;
  /** Cuts everything off. */
  end(): Promise<void>;
}

const readyMilliseconds = 180_000;

/** Brings a cluster up; returns when all its nodes are Ready. `say` is told what has been reached. */
export async function startCluster(plan: Plan, say: (progress: string) => void): Promise<Cluster> {
  const names = Array.from({ length: plan.nodes }, (_, index) => nodeName(index + 1));
  const material = { ...plan, memoryDirectory: await mountMemory() };
  const keys = path.join(runDirectory, "keys");
  const authority = await makeAuthority(keys);
  const places = { programs: plan.programs, nodeRoot: plan.root, keys, authority, directory: runDirectory };
  await makeConfiguration(authority, runDirectory, path.basename(adminConfiguration, ".conf"), {
    name: "admin",
    organization: "system:masters",
  });
  await makeNetwork(names);
  const running = new Map<string, Process>();
  const keep = (process: Process): void => {
    running.set(process.name, process);
  };
  keep(await startEtcd(places));
  keep(await startApiServer(places));
  for (const name of names) {
    await makeNode(name, names, material, authority);
    keep(await bootNode(name, material));
  }
  await untilControlled(places, keep);
  say("the API server answers");
  for (const name of names) {
    await until(`${name} is Ready`, () => isReady(plan.programs, name), readyMilliseconds);
    say(`${name} is Ready`);
  }
  return machineRoom(running, material);
}

function machineRoom(running: Map<string, Process>, material: NodeMaterial): Cluster {
  return {
    kill: async (node) => {
      const process = running.get(node);
      if (process === undefined) throw new Error(`${node} is not on`);
      await process.kill();
      running.delete(node);
    },
    start: async (node) => {
      if (running.has(node)) throw new Error(`${node} is on`);
      running.set(node, await bootNode(node, material));
      await until(`${node} takes commands`, () =>
        shell(path.join(material.programs, "agent"), ["run", agentAddress(node), "true"]),
      );
    },
    end: async () => {
      await Promise.all([...running.values()].map((process) => process.kill()));
    },
  };
}

/**
 * For the nodes' memory and disks: a file system of the cluster's own mount namespace, so that what /dev/shm allows does
 * not matter, and that it ends with the cluster.
 */
async function mountMemory(): Promise<string> {
  const directory = path.join(runDirectory, "memory");
  await mkdir(directory, { recursive: true });
  await shell("mount", ["-t", "tmpfs", "-o", "mode=700,size=90%", "memory", directory]);
  return directory;
}

async function untilControlled(places: Places, keep: (process: Process) => void): Promise<void> {
  await until("the API server answers", () => kubectl(places.programs, "get", "--raw", "/readyz"));
  for (const process of await startControllers(places)) keep(process);
}

async function isReady(programs: string, node: string): Promise<void> {
  const condition = '{.status.conditions[?(@.type=="Ready")].status}';
  const status = await kubectl(programs, "get", "node", node, "-o", `jsonpath=${condition}`);
  if (status !== "True") throw new Error(`its condition Ready is ${status}`);
}

function kubectl(programs: string, ...args: readonly string[]): Promise<string> {
  return shell(path.join(programs, "kubectl"), [`--kubeconfig=${adminConfiguration}`, ...args]);
}
