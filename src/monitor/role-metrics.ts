import { Counter, Histogram, Registry } from "prom-client";
import { addProcessMetrics } from "./process-metrics.ts";

/** What is counted in every role. */
export interface RoleMetrics {
  /** For what the role alone has. */
  readonly registry: Registry;
  /** Counts a call that has been answered. */
  readonly observeCall: (call: { readonly method: string; readonly code: string; readonly seconds: number }) => void;
}

/** Of what takes a moment or minutes: an empty call, a commit of LVM, mkfs, zeroing. */
const durationBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Begins with nothing but figures of the process. Loads prom-client: import this module only where it is wanted. */
export function createRoleMetrics(version: string): RoleMetrics {
  const registry = new Registry();
  addProcessMetrics(registry, version);
  const calls = new Counter({
    name: "lvm_local_csi_rpcs_total",
    help: "Calls answered, by RPC and gRPC code",
    labelNames: ["method", "code"],
    registers: [registry],
  });
  const observeSeconds = durationHistogram(registry, {
    name: "lvm_local_csi_rpc_duration_seconds",
    help: "Time from call to answer, by RPC",
    label: "method",
  });
  return {
    registry,
    observeCall: ({ method, code, seconds }) => {
      calls.inc({ method, code });
      observeSeconds(method, seconds);
    },
  };
}

/** A histogram of durations of what `label` names. */
export function durationHistogram(
  registry: Registry,
  { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
): (value: string, seconds: number) => void {
  const labelNames = [label];
  const histogram = new Histogram({ name, help, labelNames, buckets: durationBuckets, registers: [registry] });
  return (value, seconds) => histogram.observe({ [label]: value }, seconds);
}
