import assert from "node:assert/strict";
import { CallError } from "../lab/csi-client.ts";
import { countNonzero, isIntact, startWriter, write, type Written } from "./data.ts";
import type { PersistentVolume, Pod } from "./kubelet.ts";
import { listVolumes, volumeSizes } from "./machine.ts";
import { run } from "./programs.ts";
import { blockCapability, untilAnswered } from "./provisioner.ts";
import { formatBytes, type Step } from "./report.ts";
import { assertSize, controllerExpand, detach, provision, publish, remove, type Scene } from "./scene.ts";

const MiB = 2 ** 20;
const claim = { name: "database", bytes: 1536 * MiB, capability: blockCapability };
const grownBytes = 2560 * MiB;

/** Zeroing is cut short when it has come this far. */
const killPercent = 30;

/** A raw block volume in a pod's hands, from its creation to its end. */
export async function blockLife(scene: Scene): Promise<void> {
  scene.report.heading("A raw block volume, on the same disk");
  await tellEarlierData(scene);
  const volume = await createThroughCrash(scene);
  const [first, second] = [scene.kubelet.newPod(volume), scene.kubelet.newPod(volume)];
  await attach(scene, volume, first);
  const written = await writeInPod(scene, volume, first);
  await share(scene, volume, second, written);
  const meanwhile = await expandThroughCrash(scene, volume, first);
  await readAll(scene, volume, second, [written, meanwhile]);
  await scene.kubelet.unmap(volume, first);
  await detach(scene, volume, [first, second]);
  await remove(scene, volume);
}

/** Else it would prove nothing that the new volume, and what it grows by, read as zeroes. */
async function tellEarlierData({ report, machine }: Scene): Promise<void> {
  await report.step("What lies on the disk by now", "", async (step) => {
    const below = await countNonzero(machine.diskFile, 16 * MiB, 512 * MiB);
    const above = await countNonzero(machine.diskFile, 2048 * MiB, 2304 * MiB);
    assert(below > 64 * MiB && above > 0, "the disk should be full of earlier data");
    step.result(`${formatBytes(below)} of deleted data, and older`);
  });
}

/** The driver is killed while it zeroes the new volume. */
async function createThroughCrash(scene: Scene): Promise<PersistentVolume> {
  const { report, plugin, machine, kubelet } = scene;
  const { name, create } = provision(scene, claim);
  await report.step(`Create one of ${formatBytes(claim.bytes)}: zeroed whole`, "CreateVolume", async (step) => {
    const reached = await step.call(followZeroing(step, create, killPercent));
    await plugin.kill();
    tellKill(step, reached);
    step.show(await listVolumes(machine));
  });
  await report.step("Start it again", "Probe", async (step) => {
    await step.call(plugin.start());
    step.result("ready, and carries on what is unfinished");
  });
  await report.step("Stage it while it is being zeroed", "NodeStageVolume", async (step) => {
    const volume = { name, handle: `n1/${machine.volumeGroup}/${name}`, capability: claim.capability };
    const refusal = await step.call(refusalOf(kubelet.stage(volume)));
    if (refusal !== undefined) assert.equal(refusal.code, "ABORTED", refusal.details);
    step.result(refusal === undefined ? "staged: it is zeroed by now" : `refused: ${refusal.code}`);
  });
  const volume = await report.step("The same call again", "CreateVolume", async (step) => {
    const made = await step.call(finishZeroing(step, create));
    await assertSize(scene, made, claim.bytes);
    step.result("done, and it is the same volume");
    step.show(await listVolumes(machine));
    return made;
  });
  assert.deepEqual([...(await volumeSizes(machine)).keys()], [volume.name], "there are other volumes than this one");
  return volume;
}

async function refusalOf(call: Promise<unknown>): Promise<CallError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}

/** A fast disk, or one that zeroes by itself, may be done before the driver is killed. */
function tellKill(step: Step, reached: number | "done"): void {
  step.result(reached === "done" ? "done at once; kill -9 of the driver" : `kill -9 of the driver at ${reached} %`);
}

/** @returns the percentage at which it was left, or "done" */
async function followZeroing(
  step: Step,
  call: (deadlineMilliseconds: number) => Promise<unknown>,
  until: number,
): Promise<number | "done"> {
  let reached = 0;
  const answer = await untilAnswered(call, (percent) => {
    reached = percent;
    step.progress(`zeroing ${percent} %`);
    return percent >= until;
  });
  return answer === undefined ? reached : "done";
}

async function finishZeroing<Response>(
  step: Step,
  call: (deadlineMilliseconds: number) => Promise<Response>,
): Promise<Response> {
  const answer = await untilAnswered(call, (percent) => {
    step.progress(`zeroing ${percent} %`);
    return false;
  });
  assert(answer !== undefined);
  return answer;
}

async function attach(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<void> {
  const { report, kubelet } = scene;
  await report.step("Stage and publish it for a pod", "NodeStage/PublishVolume", async (step) => {
    await step.call(kubelet.stage(volume));
    await publish(scene, step, volume, pod);
    const bytes = await run("blockdev", "--getsize64", pod.target);
    assert.equal(bytes, String(claim.bytes), `a device of ${bytes} bytes and not ${claim.bytes}`);
    step.result(`${bytes} bytes (blockdev --getsize64)`);
  });
  await report.step("Nothing of what lay on the disk shows", "", async (step) => {
    const bytes = await step.call(countNonzero(pod.target, 0, claim.bytes));
    assert.equal(bytes, 0, `${bytes} bytes of somebody's earlier data can be read`);
    step.result(`all ${formatBytes(claim.bytes)} read as zeroes`);
  });
  await report.step("Publish it again", "NodePublishVolume", async (step) => {
    await publish(scene, step, volume, pod);
    step.result("still one mount");
  });
}

async function writeInPod(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<Written> {
  const { report, plugin, kubelet } = scene;
  await report.step("Statistics, at the kubelet's map path", "NodeGetVolumeStats", async (step) => {
    await kubelet.map(volume, pod);
    const request = { volumeId: volume.handle, volumePath: kubelet.mapPath(volume, pod) };
    const { usage, volumeCondition } = await step.call(plugin.csi.Node.NodeGetVolumeStats(request));
    assert.equal(usage[0]?.total, String(claim.bytes), `it has ${usage[0]?.total} bytes and not ${claim.bytes}`);
    assert.equal(volumeCondition?.abnormal, false, `its condition is abnormal: ${volumeCondition?.message}`);
    step.result(`${formatBytes(claim.bytes)}, condition normal`);
  });
  return report.step("The pod writes 64 MiB to the device", "", async (step) => {
    const written = await step.call(write({ file: pod.target, offset: 0, bytes: 64 * MiB }));
    step.result(`SHA-256 ${written.sha256.slice(0, 16)}...`);
    return written;
  });
}

async function share(scene: Scene, volume: PersistentVolume, pod: Pod, written: Written): Promise<void> {
  await scene.report.step("Share it with a second pod of this node", "NodePublishVolume", async (step) => {
    await publish(scene, step, volume, pod);
    assert(await isIntact(written, pod.target), "the second pod reads something else");
    step.result("it reads what the first one wrote");
  });
}

/** Expanded while a pod writes; the new part is zeroed first, and the driver is killed in that. */
async function expandThroughCrash(scene: Scene, volume: PersistentVolume, pod: Pod): Promise<Written> {
  const { report, plugin, machine } = scene;
  const expand = (deadline: number) => controllerExpand(scene, volume, grownBytes, deadline);
  const writer = startWriter({ file: pod.target, offset: 256 * MiB, bytes: 512 * MiB });
  await report.step(
    `Expand it to ${formatBytes(grownBytes)} while a pod writes`,
    "ControllerExpandVolume",
    async (step) => {
      const reached = await step.call(followZeroing(step, expand, killPercent));
      await plugin.kill();
      tellKill(step, reached);
      step.show(await listVolumes(machine));
    },
  );
  await report.step("Start it again", "Probe", async (step) => {
    await step.call(plugin.start());
    step.result("ready");
  });
  await report.step("The same call again", "ControllerExpandVolume", async (step) => {
    await step.call(finishZeroing(step, expand));
    await assertSize(scene, volume, grownBytes);
    assert.deepEqual([...(await volumeSizes(machine)).keys()], [volume.name], "a scratch volume is left");
    step.result("grown, and nothing else is left");
    step.show(await listVolumes(machine));
  });
  return writer.stop();
}

async function readAll(scene: Scene, volume: PersistentVolume, pod: Pod, written: readonly Written[]): Promise<void> {
  const { report, plugin, kubelet } = scene;
  await report.step("The pod's device, as large as it is now", "NodeExpandVolume", async (step) => {
    const request = { volumeId: volume.handle, volumePath: pod.target, stagingTargetPath: kubelet.stagingPath(volume) };
    const { capacityBytes } = await step.call(plugin.csi.Node.NodeExpandVolume(request));
    const bytes = await run("blockdev", "--getsize64", pod.target);
    const told = `NodeExpandVolume tells ${capacityBytes} bytes, the device ${bytes}; ${grownBytes} were asked for`;
    assert.deepEqual([capacityBytes, bytes], [String(grownBytes), String(grownBytes)], told);
    step.result(`${bytes} bytes (blockdev --getsize64)`);
  });
  await report.step("The new part shows nothing either", "", async (step) => {
    assert.equal(await step.call(countNonzero(pod.target, claim.bytes, grownBytes)), 0, "earlier data can be read");
    step.result(`all ${formatBytes(grownBytes - claim.bytes)} of it read as zeroes`);
  });
  await report.step("What was written before and meanwhile", "", async (step) => {
    for (const part of written) assert(await step.call(isIntact(part, pod.target)), "the data is not what was written");
    const [before = 0, meanwhile = 0] = written.map(({ bytes }) => bytes);
    assert(meanwhile > 0, "nothing was written meanwhile");
    step.result(`${formatBytes(before)} and ${formatBytes(meanwhile)}, all intact`);
  });
}
