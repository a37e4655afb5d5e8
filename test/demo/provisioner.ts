import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import type { Topology } from "../../src/csi/generated/csi/v1/Topology.ts";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import { CallError } from "../lab/csi-client.ts";

/** What a claim asks for. */
export interface Claim {
  readonly name: string;
  readonly bytes: number;
  readonly capability: VolumeCapability;
}

/** The request of csi-provisioner (`--extra-create-metadata`) for a claim of a pod that was scheduled to this node. */
export function createRequest({ name, bytes, capability }: Claim, node: Topology): CreateVolumeRequest {
  const volume = `pvc-${randomUUID()}`;
  return {
    name: volume,
    capacityRange: { requiredBytes: bytes },
    volumeCapabilities: [capability],
    parameters: {
      "csi.storage.k8s.io/pvc/namespace": "default",
      "csi.storage.k8s.io/pvc/name": name,
      "csi.storage.k8s.io/pv/name": volume,
    },
    accessibilityRequirements: { requisite: [node], preferred: [node] },
  };
}

/** ReadWriteOnce, as csi-provisioner and the kubelet ask for it where the driver has SINGLE_NODE_MULTI_WRITER. */
const accessMode = { mode: "SINGLE_NODE_MULTI_WRITER" } as const;

export const filesystemCapability: VolumeCapability = { mount: { fsType: "ext4" }, accessMode };
export const blockCapability: VolumeCapability = { block: {}, accessMode };

/** The driver answers a second before the deadline, so this is asked about five times a second. */
const impatientMilliseconds = 1150;

const patienceMilliseconds = 300_000;

/**
 * Repeats a call that takes longer than its deadline, as csi-provisioner and csi-resizer do, until it is answered.
 * @param call is given its deadline in milliseconds
 * @param onProgress is given the percentage that the driver tells meanwhile; true ends the waiting
 * @returns undefined if the waiting was ended
 * @throws CallError for any other answer, or after five minutes.
 */
export async function untilAnswered<Response>(
  call: (deadlineMilliseconds: number) => Promise<Response>,
  onProgress: (percent: number) => boolean,
): Promise<Response | undefined> {
  for (const end = Date.now() + patienceMilliseconds; ;) {
    try {
      return await call(impatientMilliseconds);
    } catch (error) {
      if (!(error instanceof CallError) || !["ABORTED", "DEADLINE_EXCEEDED"].includes(error.code)) throw error;
      if (Date.now() > end) throw error;
      const percent = /(\d+) %/.exec(error.details)?.[1];
      if (percent !== undefined && onProgress(Number(percent))) return undefined;
      // an answer that came at once: something else is under way
      await sleep(50);
    }
  }
}
