import { setTimeout } from "node:timers/promises";
import type { FakeObject } from "./api-server.fixture.ts";

export const selector = "app.kubernetes.io/name=lvm-local-csi,app.kubernetes.io/component=node";
const labels = { "app.kubernetes.io/name": "lvm-local-csi", "app.kubernetes.io/component": "node" };

/** Too long for a label value: its topology value is a digest. */
export const longName = `${"a".repeat(70)}.example`;

export async function until(isSo: () => boolean, patienceMs = 5000): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`never: ${String(isSo)}`);
    await setTimeout(5);
  }
}

export function node(name: string, options: { isReady?: boolean; labels?: Record<string, string> } = {}): FakeObject {
  const status = (options.isReady ?? true) ? "True" : "Unknown";
  const conditions = [
    { type: "MemoryPressure", status: "False" },
    { type: "Ready", status },
  ];
  return { metadata: { name, labels: options.labels ?? {} }, status: { conditions, images: [{ names: ["x"] }] } };
}

interface PodOptions {
  readonly podIP?: string | undefined;
  readonly phase?: string;
  readonly isReady?: boolean;
  readonly created?: string;
  readonly deletionTimestamp?: string;
}

export function pod(name: string, nodeName: string, options: PodOptions = {}): FakeObject {
  const { phase = "Running", isReady = true, created = "2026-01-01T00:00:00Z", ...others } = options;
  const podIP = "podIP" in others ? others.podIP : "10.0.0.9";
  const { deletionTimestamp } = others;
  return {
    metadata: { name, labels, creationTimestamp: created, ...(deletionTimestamp && { deletionTimestamp }) },
    spec: { nodeName },
    status: { phase, podIP, conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] },
  };
}
