import { driverNamespace, inDriverNamespace } from "./deploy.ts";
import { type Component, containers, selectorOf } from "./driver-pods.ts";
import { kubectl, onNode } from "./inside.ts";

/** Resident memory of the processes of each container on these nodes in mebibytes, the largest of each. */
export async function memoryOfContainers(nodes: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const list = ["ps", "-e", "-ww", "-o", "rss=,args="];
  const lines = (await Promise.all(nodes.map((node) => onNode(node, list)))).flatMap((printed) => printed.split("\n"));
  const processes = lines.map((line) => /^\s*(\d+) (.*)$/.exec(line)).filter((match) => match !== null);
  return new Map(
    Object.entries(containers).map(([name, words]) => {
      const own = processes.filter(([, , command = ""]) => `${command} `.includes(words));
      return [name, Math.max(0, ...own.map(([, kibibytes]) => Number(kibibytes) / 1024))];
    }),
  );
}

/** How often a call was answered by pods of the driver, and the sum of the seconds that it took. */
export interface CallFigures {
  readonly count: number;
  readonly seconds: number;
}

/** Of the metrics of all pods of a component. */
export async function callFigures(component: Component, method: string): Promise<CallFigures> {
  const pods = await inDriverNamespace("get", "pods", selectorOf(component), "--output=name");
  let [count, seconds] = [0, 0];
  for (const pod of pods.trim().split("\n")) {
    const proxy = `/api/v1/namespaces/${driverNamespace}/pods/${pod.replace("pod/", "")}:9811/proxy/metrics`;
    const metrics = await kubectl(["get", "--raw", proxy]);
    count += valueOf(metrics, "count", method);
    seconds += valueOf(metrics, "sum", method);
  }
  return { count, seconds };
}

function valueOf(metrics: string, suffix: "count" | "sum", method: string): number {
  const line = new RegExp(`^lvm_local_csi_rpc_duration_seconds_${suffix}\\{[^}]*"${method}"[^}]*\\} (.+)$`, "gm");
  return metrics.matchAll(line).reduce((sum, [, value]) => sum + Number(value), 0);
}
