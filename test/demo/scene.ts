import assert from "node:assert/strict";
import type { Topology } from "../../src/csi/generated/csi/v1/Topology.ts";
import type { Kubelet, PersistentVolume, Pod } from "./kubelet.ts";
import { type Machine, mountsBelow, volumeSizes } from "./machine.ts";
import type { Plugin } from "./plugin.ts";
import { type Claim, createRequest } from "./provisioner.ts";
import { formatBytes, type Report, type Step } from "./report.ts";

/** All that a volume's life is played with. */
export interface Scene {
  readonly report: Report;
  readonly machine: Machine;
  readonly plugin: Plugin;
  readonly kubelet: Kubelet;
  /** This node, as NodeGetInfo tells it. */
  readonly node: Topology;
}

/** What one volume of this kind could have now. */
export async function availableBytes({ plugin, node }: Scene, claim: Claim): Promise<number> {
  const answer = await plugin.csi.Controller.GetCapacity({
    volumeCapabilities: [claim.capability],
    accessibleTopology: node,
  });
  assert.equal(answer.availableCapacity, answer.maximumVolumeSize?.value, "capacity and largest volume differ");
  return Number(answer.availableCapacity);
}

/** The request for a claim, and how to make of its answer the volume that the kubelet will know. */
export function provision({ plugin, node }: Scene, claim: Claim) {
  const request = createRequest(claim, node);
  return {
    name: request.name ?? "",
    create: async (deadlineMilliseconds?: number): Promise<PersistentVolume> => {
      const { volume } = await plugin.csi.Controller.CreateVolume(request, deadlineMilliseconds);
      assert(volume, "CreateVolume answered without a volume");
      assert.equal(volume.capacityBytes, String(claim.bytes), "the volume has another size than was asked for");
      assert.deepEqual(volume.accessibleTopology, [node], "the volume is not on this node");
      return { name: request.name ?? "", handle: volume.volumeId, capability: claim.capability };
    },
  };
}

/** Asks for more bytes, as csi-resizer does. */
export function controllerExpand(
  { plugin }: Scene,
  { handle, capability }: PersistentVolume,
  requiredBytes: number,
  deadlineMilliseconds?: number,
) {
  const request = { volumeId: handle, capacityRange: { requiredBytes }, volumeCapability: capability };
  return plugin.csi.Controller.ControllerExpandVolume(request, deadlineMilliseconds);
}

/** Publishes to a pod, again if it is there, and makes sure that one mount is there in the end. */
export async function publish({ kubelet }: Scene, step: Step, volume: PersistentVolume, pod: Pod): Promise<void> {
  await step.call(kubelet.publish(volume, pod));
  const mounts = await mountsBelow(pod.target);
  assert.equal(mounts.length, 1, `${mounts.length} mounts at ${pod.target}`);
}

export async function assertSize({ machine }: Scene, { name }: PersistentVolume, bytes: number): Promise<void> {
  const found = (await volumeSizes(machine)).get(name) ?? 0;
  assert.equal(found, bytes, `lvs shows ${formatBytes(found)} and not ${formatBytes(bytes)}`);
}

/** Takes a volume away from its pods and from the node; neither may leave anything. */
export async function detach(scene: Scene, volume: PersistentVolume, pods: readonly Pod[]): Promise<void> {
  const { report, kubelet } = scene;
  await report.step(
    pods.length === 1 ? "Unpublish it" : "Unpublish it from both pods",
    "NodeUnpublishVolume",
    async (step) => {
      for (const pod of pods) await step.call(kubelet.unpublish(volume, pod));
      const left = (await mountsBelow(kubelet.directory)).filter((target) => target !== kubelet.stagingPath(volume));
      assert.deepEqual(left, [], "targets are still mounted");
      step.result("unmounted, targets removed");
    },
  );
  await report.step("Unstage it", "NodeUnstageVolume", async (step) => {
    await step.call(kubelet.unstage(volume));
    assert.deepEqual(await mountsBelow(kubelet.directory), [], "the volume is still mounted");
    step.result("no mount left");
  });
}

/** Deletes a volume, twice, and makes sure that it is gone. */
export async function remove(scene: Scene, volume: PersistentVolume): Promise<void> {
  const { report, plugin, machine } = scene;
  await report.step("Delete it", "DeleteVolume", async (step) => {
    await step.call(plugin.csi.Controller.DeleteVolume({ volumeId: volume.handle }));
    assert(!(await volumeSizes(machine)).has(volume.name), "lvs still shows it");
    step.result("lvs does not show it any more");
  });
  await report.step("Delete it again, as after a lost answer", "DeleteVolume", async (step) => {
    await step.call(plugin.csi.Controller.DeleteVolume({ volumeId: volume.handle }));
    step.result("OK: it is proven to be absent");
  });
}
