import { driverNamespace } from "./deploy.ts";
import { kubectl, onNode } from "./inside.ts";
import { until } from "./until.ts";

const nodeComponent = "--selector=app.kubernetes.io/component=node";

/** Kills pods of the driver without a chance to finish anything: those of a component, on one node or on all. */
export async function killDriverPods(component: "controller" | "node", node?: string): Promise<void> {
  const where = node === undefined ? [] : [`--field-selector=spec.nodeName=${node}`];
  const which = [`--selector=app.kubernetes.io/component=${component}`, ...where];
  await kubectl(["--namespace", driverNamespace, "delete", "pods", "--grace-period=0", "--force", ...which]);
}

/** Kills the driver on a node in this very moment; the kubelet starts it again in the same pod. */
export async function killDriverProcess(node: string): Promise<void> {
  await onNode(node, ["pkill", "-KILL", "-f", "/lvm-local-csi/dist/main[.]js node"]);
}

/** Waits until the driver's pods are ready again. */
export async function driverReady(): Promise<void> {
  const workloads = await kubectl(["--namespace", driverNamespace, "get", "daemonsets,deployments", "--output=name"]);
  for (const workload of workloads.trim().split("\n")) {
    await kubectl(["--namespace", driverNamespace, "rollout", "status", workload, "--timeout=180s"]);
  }
}

/** Takes the driver from all nodes while something is done; returns when it is ready again. */
export async function withoutNodePods(work: () => Promise<void>): Promise<void> {
  const [daemonSet, label] = ["daemonset/lvm-local-csi-node", "lvm.local.csi/test-nowhere"];
  const patch = (value: string | null): Promise<string> => {
    const change = { spec: { template: { spec: { nodeSelector: { [label]: value } } } } };
    return kubectl(["--namespace", driverNamespace, "patch", daemonSet, `--patch=${JSON.stringify(change)}`]);
  };
  await patch("");
  try {
    await until("the driver's pods are gone from the nodes", async () => {
      const pods = await kubectl(["--namespace", driverNamespace, "get", "pods", nodeComponent, "--output=wide"]);
      if (pods !== "") throw new Error(pods);
    });
    await work();
  } finally {
    await patch(null);
    await driverReady();
  }
}
