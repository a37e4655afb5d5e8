import { readFile } from "node:fs/promises";
import path from "node:path";
import { checkout, run } from "../runner/command.ts";
import { cached } from "./cached.ts";
import { knownRoom } from "./capacities.ts";
import { kubectl, onNode } from "./inside.ts";
import { loadImage } from "./load.ts";
import { usualClass } from "./manifests.ts";
import { until } from "./until.ts";
import { makeVolumeGroup, volumeGroup } from "./volumes.ts";

/** Where deploy/ puts the driver. */
export const driverNamespace = "lvm-local-csi";

/**
 * Installs the driver of the checkout as its user does: its image on the nodes, a volume group on each, the manifests
 * of `deploy/`. Done again, it brings a newer image.
 */
export async function deployDriver(say: (progress: string) => void): Promise<void> {
  const archive = await driverImage();
  const nodes = (await kubectl(["get", "nodes", "--output=jsonpath={.items[*].metadata.name}"])).split(" ");
  await loadImage(archive);
  say("the nodes have the driver's image");
  await Promise.all(nodes.map(prepareNode));
  const isThere = (await kubectl(["get", "namespace", driverNamespace, "--ignore-not-found"])) !== "";
  await kubectl(["apply", "--server-side", "--kustomize", path.join(checkout, "deploy/kustomize/overlays/cluster")]);
  const workloads = await workloadsOfDriver();
  if (isThere) await inDriverNamespace("rollout", "restart", ...workloads);
  for (const workload of workloads) await inDriverNamespace("rollout", "status", workload, "--timeout=240s");
  say("the driver's pods are ready");
  await until("the driver is registered on all nodes", async () => {
    const drivers = await kubectl(["get", "csinodes", "--output=jsonpath={.items[*].spec.drivers[*].name}"]);
    if (drivers.split(" ").length !== nodes.length) throw new Error(`registered: ${drivers}`);
  });
  await until("the room on all nodes is known", async () => {
    const known = await knownRoom(usualClass);
    if (!nodes.every((node) => known.has(node))) throw new Error(`known: ${[...known.keys()].join(", ")}`);
  });
  say("the driver is deployed");
}

/** Builds the image where the sources have changed. */
async function driverImage(): Promise<string> {
  const build = path.join(checkout, "image/build");
  if ((await run(build, [])) !== 0) throw new Error("image/build failed");
  const madeOf = await readFile(path.join(checkout, "node_modules/.cache/image/made-of"));
  const { version } = JSON.parse(await readFile(path.join(checkout, "package.json"), "utf8")) as { version: string };
  // containerd's name for what the manifests call lvm-local-csi
  const reference = `docker.io/library/lvm-local-csi:${version}`;
  return cached("image-driver.tar", [madeOf, reference], async (target) => {
    if ((await run(build, [`docker-archive:${target}:${reference}`])) !== 0) throw new Error("image/build failed");
  });
}

async function prepareNode(node: string): Promise<void> {
  const groups = await onNode(node, ["vgs", "--noheadings", "--options=vg_name"]);
  if (!groups.includes(volumeGroup)) await makeVolumeGroup(node);
}

async function workloadsOfDriver(): Promise<readonly string[]> {
  const names = await inDriverNamespace("get", "daemonsets,deployments", "--output=name");
  return names.trim().split("\n");
}

/** Runs kubectl in the driver's namespace. */
export function inDriverNamespace(...args: readonly string[]): Promise<string> {
  return kubectl(["--namespace", driverNamespace, ...args]);
}
