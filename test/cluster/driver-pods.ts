import { inDriverNamespace } from "./deploy.ts";
import { onNode } from "./inside.ts";
import { CommandError } from "./shell.ts";
import { until } from "./until.ts";

export type Component = "controller" | "node";

/** The containers of `deploy/`, by a word of their first process's command line. */
export const containers = {
  node: "/opt/lvm-local-csi/dist/main.js node",
  controller: "/opt/lvm-local-csi/dist/main.js controller",
  certificates: "/opt/lvm-local-csi/dist/main.js certificates",
  "csi-provisioner": "/csi-provisioner ",
  "csi-resizer": "/csi-resizer ",
} as const;

const containersOf: Readonly<Record<Component, readonly (keyof typeof containers)[]>> = {
  node: ["node"],
  controller: ["controller", "csi-provisioner", "csi-resizer"],
};

/**
 * Kills pods of the driver in this very moment, without a chance to finish anything, and deletes them: those of a
 * component, on one node or on all. The kubelet alone would tell those that it has heard are gone to end, and wait.
 */
export async function killDriverPods(component: Component, node?: string): Promise<void> {
  const which = [selectorOf(component), ...(node === undefined ? [] : [`--field-selector=spec.nodeName=${node}`])];
  const nodes = await inDriverNamespace("get", "pods", ...which, "--output=jsonpath={.items[*].spec.nodeName}");
  const killed = await Promise.all([...new Set(nodes.split(" "))].map((one) => killProcesses(component, one)));
  if (!killed.includes(true)) throw new Error(`no process of the ${component} ran`);
  await inDriverNamespace("delete", "pods", "--grace-period=0", "--force", ...which);
}

/** Kills the driver on a node in this very moment; the kubelet starts it again in the same pod. */
export async function killDriverProcess(node: string): Promise<void> {
  if (!(await killProcesses("node", node))) throw new Error(`no driver ran on ${node}`);
}

/** Whether there were any. */
async function killProcesses(component: Component, node: string): Promise<boolean> {
  const words = containersOf[component].map((name) => containers[name]);
  try {
    await onNode(node, ["pkill", "-KILL", "-f", words.join("|")]);
    return true;
  } catch (error) {
    if (error instanceof CommandError && error.status === 1) return false;
    throw error;
  }
}

/** Waits until the driver's pods are ready again. */
export async function driverReady(): Promise<void> {
  const workloads = await inDriverNamespace("get", "daemonsets,deployments", "--output=name");
  for (const workload of workloads.trim().split("\n")) {
    await inDriverNamespace("rollout", "status", workload, "--timeout=240s");
  }
}

/** Takes the driver from all nodes while something is done; returns when it is ready again. */
export async function withoutNodePods(work: () => Promise<void>): Promise<void> {
  const [daemonSet, label] = ["daemonset/lvm-local-csi-node", "lvm.local.csi/test-nowhere"];
  const patch = (value: string | null): Promise<string> => {
    const change = { spec: { template: { spec: { nodeSelector: { [label]: value } } } } };
    return inDriverNamespace("patch", daemonSet, `--patch=${JSON.stringify(change)}`);
  };
  await patch("");
  try {
    await until("the driver's pods are gone from the nodes", async () => {
      const pods = await inDriverNamespace("get", "pods", selectorOf("node"), "--output=wide");
      if (pods !== "") throw new Error(pods);
    });
    await work();
  } finally {
    await patch(null);
  }
  await driverReady();
}

/** The pods of a component, for kubectl. */
export function selectorOf(component: Component): string {
  return `--selector=app.kubernetes.io/component=${component}`;
}
