import { driverNamespace } from "./deploy.ts";
import { kubectl } from "./inside.ts";

/** Kills pods of the driver without a chance to finish anything: those of a component, on one node or on all. */
export async function killDriverPods(component: "controller" | "node", node?: string): Promise<void> {
  const where = node === undefined ? [] : [`--field-selector=spec.nodeName=${node}`];
  const which = [`--selector=app.kubernetes.io/component=${component}`, ...where];
  await kubectl(["--namespace", driverNamespace, "delete", "pods", "--grace-period=0", "--force", ...which]);
}

/** Waits until the driver's pods are ready again. */
export async function driverReady(): Promise<void> {
  const workloads = await kubectl(["--namespace", driverNamespace, "get", "daemonsets,deployments", "--output=name"]);
  for (const workload of workloads.trim().split("\n")) {
    await kubectl(["--namespace", driverNamespace, "rollout", "status", workload, "--timeout=180s"]);
  }
}
