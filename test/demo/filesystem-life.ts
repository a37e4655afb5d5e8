import assert from "node:assert/strict";
import { appendFile, readFile, statfs } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CallError } from "../lab/csi-client.ts";
import { isIntact, startWriter, type Writer, write, type Written } from "./data.ts";
import type { PersistentVolume, Pod } from "./kubelet.ts";
import { listVolumes } from "./machine.ts";
import { runShown } from "./programs.ts";
import { filesystemCapability } from "./provisioner.ts";
import { formatBytes } from "./report.ts";
import {
  assertSize,
  availableBytes,
  controllerExpand,
  detach,
  provision,
  publish,
  remove,
  type Scene,
} from "./scene.ts";

const MiB = 2 ** 20;
const claim = { name: "documents", bytes: 512 * MiB, capability: filesystemCapability };
const grownBytes = 1024 * MiB;
const grownAgainBytes = 1536 * MiB;

/** A volume with a filesystem in a pod's hands, from its creation to its end. */
export async function filesystemLife(scene: Scene): Promise<void> {
  scene.report.heading("A volume with a filesystem");
  const capacity = await tellCapacity(scene);
  const volume = await create(scene);
  const [first, second] = [scene.kubelet.newPod(volume), scene.kubelet.newPod(volume)];
  await stage(scene, volume);
  const document = await writeInPod(scene, volume, first);
  await share(scene, volume, { first, second, document });
  await expandWhileWritten(scene, volume, first);
  await killWhileWritten(scene, volume, first);
  await detach(scene, volume, [second, first]);
  await moveToNewPod(scene, volume, document);
  await remove(scene, volume);
  await capacityIsBack(scene, capacity);
}

async function tellCapacity(scene: Scene): Promise<number> {
  return scene.report.step("How large could a volume be?", "GetCapacity", async (step) => {
    const bytes = await step.call(availableBytes(scene, claim));
    step.result(formatBytes(bytes));
    return bytes;
  });
}

async function create(scene: Scene): Promise<PersistentVolume> {
  const { name, create: callCreate } = provision(scene, claim);
  const volume = await scene.report.step(`Create one of ${formatBytes(claim.bytes)}`, "CreateVolume", async (step) => {
    const made = await step.call(callCreate());
    await assertSize(scene, made, claim.bytes);
    step.result("on the disk, with its state in LVM's tags");
    step.show(await listVolumes(scene.machine));
    return made;
  });
  await scene.report.step("The same call again", "CreateVolume", async (step) => {
    assert.deepEqual(await step.call(callCreate()), volume, `another volume was made for ${name}`);
    step.result("the same volume");
  });
  return volume;
}

async function stage({ report, kubelet }: Scene, volume: PersistentVolume): Promise<void> {
  await report.step("Make the filesystem and mount it", "NodeStageVolume", async (step) => {
    await step.call(kubelet.stage(volume));
    step.result("ext4, at the staging path");
  });
}

async function writeInPod(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<Written> {
  await scene.report.step("Give it to a pod", "NodePublishVolume", async (step) => {
    await publish(scene, step, volume, pod);
    step.result("a bind mount at its target path");
  });
  return scene.report.step("The pod writes a file of 64 MiB", "", async (step) => {
    const document = await step.call(write({ file: path.join(pod.target, "document"), offset: 0, bytes: 64 * MiB }));
    step.result(`SHA-256 ${document.sha256.slice(0, 16)}...`);
    step.show(await diskFree(pod));
    return document;
  });
}

interface Shared {
  readonly first: Pod;
  readonly second: Pod;
  readonly document: Written;
}

async function share(scene: Scene, volume: PersistentVolume, { first, second, document }: Shared): Promise<void> {
  await scene.report.step("Share it with a second pod of this node", "NodePublishVolume", async (step) => {
    await publish(scene, step, volume, second);
    await appendFile(path.join(second.target, "greeting"), "hello");
    assert.equal(await readFile(path.join(first.target, "greeting"), "utf8"), "hello", "the first pod does not see it");
    step.result("what one writes, the other reads");
  });
  await scene.report.step("Its statistics, as the kubelet asks", "NodeGetVolumeStats", async (step) => {
    const request = { volumeId: volume.handle, volumePath: second.target };
    const { usage, volumeCondition } = await step.call(scene.plugin.csi.Node.NodeGetVolumeStats(request));
    const used = Number(usage.find(({ unit }) => unit === "BYTES")?.used);
    assert(used >= document.bytes, `${used} bytes in use, although ${document.bytes} were written`);
    assert.equal(volumeCondition?.abnormal, false, `its condition is abnormal: ${volumeCondition?.message}`);
    step.result(`${formatBytes(used)} in use, condition normal`);
  });
}

async function expandWhileWritten(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<void> {
  const { report } = scene;
  const before = await diskFree(pod);
  // no more than there is room for, should the expansion be slow
  const writer = startWriter({ file: path.join(pod.target, "log"), offset: 0, bytes: 384 * MiB });
  await report.step(
    `Expand it to ${formatBytes(grownBytes)} while a pod writes`,
    "ControllerExpandVolume",
    async (step) => {
      const answer = await step.call(controllerExpand(scene, volume, grownBytes));
      assert.equal(answer.nodeExpansionRequired, true, "the filesystem is to grow too");
      await assertSize(scene, volume, grownBytes);
      step.result("the logical volume has grown");
    },
  );
  await report.step("Grow the filesystem, mounted and in use", "NodeExpandVolume", async (step) => {
    const total = await step.call(growFilesystem(scene, volume, pod, grownBytes));
    step.result(`the pod has ${formatBytes(total)} now`);
    step.show(`${before}\n${(await diskFree(pod)).split("\n").at(-1)}`);
  });
  await report.step("The pod has not noticed anything else", "", async (step) => {
    await sleep(300);
    step.result(`it wrote ${formatBytes(await stopIntact(writer))} meanwhile, all intact`);
  });
}

async function killWhileWritten(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<void> {
  const { report, plugin } = scene;
  const writer = startWriter({ file: path.join(pod.target, "second-log"), offset: 0, bytes: 256 * MiB });
  await report.step("kill -9 the driver while it expands", "ControllerExpandVolume", async (step) => {
    const call = controllerExpand(scene, volume, grownAgainBytes).then(
      () => "answered before",
      (error: unknown) => error,
    );
    await sleep(30);
    await plugin.kill();
    const outcome = await call;
    step.result(outcome instanceof CallError ? `the caller was told ${outcome.code}` : String(outcome));
  });
  await report.step("Start it again", "Probe", async (step) => {
    await step.call(plugin.start());
    step.result("ready; what it knows, it reads from LVM");
  });
  await report.step("The pod went on writing without it", "", async (step) => {
    step.result(`${formatBytes(await stopIntact(writer))}, all intact`);
  });
  await report.step("The same call again", "ControllerExpandVolume", async (step) => {
    await step.call(controllerExpand(scene, volume, grownAgainBytes));
    await assertSize(scene, volume, grownAgainBytes);
    step.result(`${formatBytes(grownAgainBytes)}, once`);
  });
  await report.step("Grow the filesystem", "NodeExpandVolume", async (step) => {
    const total = await step.call(growFilesystem(scene, volume, pod, grownAgainBytes));
    step.result(`the pod has ${formatBytes(total)} now`);
  });
  await report.step("Publish again, like a restarted kubelet", "NodePublishVolume", async (step) => {
    await publish(scene, step, volume, pod);
    step.result("still one mount");
  });
}

/** The pod is deleted and made anew: what is read then has come from the disk. */
async function moveToNewPod(scene: Scene, volume: PersistentVolume, document: Written): Promise<void> {
  const { report, kubelet } = scene;
  const pod = kubelet.newPod(volume);
  await report.step("Stage and publish it for a new pod", "NodeStage/PublishVolume", async (step) => {
    await step.call(kubelet.stage(volume));
    await publish(scene, step, volume, pod);
    assert(await isIntact(document, path.join(pod.target, "document")), "the data is not what was written");
    step.result("the first pod's file is there, unchanged");
    step.show(await listVolumes(scene.machine));
  });
  await detach(scene, volume, [pod]);
}

async function capacityIsBack(scene: Scene, before: number): Promise<void> {
  await scene.report.step("How large could a volume be now?", "GetCapacity", async (step) => {
    const now = await step.call(availableBytes(scene, claim));
    assert.equal(now, before, "the capacity is not what it was before");
    step.result(`${formatBytes(now)}, as before`);
  });
}

async function diskFree(pod: Pod): Promise<string> {
  const told = await runShown("df", "-h", "--output=source,fstype,size,used,avail,pcent", pod.target);
  // the path alone would fill a line
  return told.replace(pod.target, "TARGET");
}

/** @returns how many bytes the pod wrote. */
async function stopIntact(writer: Writer): Promise<number> {
  const written = await writer.stop();
  assert(written.bytes > 0, "nothing was written");
  assert(await isIntact(written, written.file), "what was written meanwhile reads differently");
  return written.bytes;
}

/** @returns the filesystem's size in bytes, as a pod sees it. */
async function growFilesystem({ plugin, kubelet }: Scene, volume: PersistentVolume, pod: Pod, bytes: number) {
  await plugin.csi.Node.NodeExpandVolume({
    volumeId: volume.handle,
    volumePath: pod.target,
    stagingTargetPath: kubelet.stagingPath(volume),
    capacityRange: { requiredBytes: bytes },
    volumeCapability: volume.capability,
  });
  const { blocks, bsize } = await statfs(pod.target);
  // ext4 keeps its inode tables and its journal for itself
  assert(blocks * bsize > 0.9 * bytes, `the filesystem has ${blocks * bsize} bytes on a device of ${bytes}`);
  return blocks * bsize;
}
