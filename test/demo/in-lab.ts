// The demo inside the laboratory: see demo.ts, which starts it.
import assert from "node:assert/strict";
import { mkdir, mkdtemp } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { describeEnding } from "../lab/driver.ts";
import { blockLife } from "./block-life.ts";
import { filesystemLife } from "./filesystem-life.ts";
import { openShell } from "./keep.ts";
import { Kubelet } from "./kubelet.ts";
import { clearAway, listVolumes, type Machine, makeMachine, mountsBelow, volumeSizes } from "./machine.ts";
import { Plugin } from "./plugin.ts";
import { run, runShown } from "./programs.ts";
import { formatBytes, Report } from "./report.ts";
import type { Scene } from "./scene.ts";

const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const report = new Report(process.stdout);
/** The demo's own, on a filesystem that can hold sockets and mounts. */
const directory = await mkdtemp("/run/demo-");
let playing: Scene | undefined;

for (const [signal, status] of [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    report.verdict(false, `Ended early, by ${signal}.`);
    end(status);
  });
}
try {
  await play(values.keep);
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  // what follows may be the driver's log, which is told below
  report.verdict(false, `The demo failed at ${playing === undefined ? reason : reason.split("\n")[0]}`);
  if (playing !== undefined) await tellState(playing);
  await playing?.plugin.kill();
  end(1);
}
end(0);

/** Whatever is under way, a pod that writes for one, ends with the demo; its disk goes with the laboratory. */
function end(status: number): never {
  clearAway(directory);
  process.exit(status);
}

async function play(keep: boolean): Promise<void> {
  const scene = await prepare();
  playing = scene;
  await filesystemLife(scene);
  await blockLife(scene);
  await nothingLeft(scene);
  if (keep) {
    tellVerdict();
    await openShell(scene);
    // what a person has made there goes with the laboratory
    return endDriver(scene);
  }
  await endDriver(scene);
  await removeMachine(scene);
  tellVerdict();
}

function tellVerdict(): void {
  const seconds = report.seconds.toFixed(0);
  report.verdict(
    true,
    `All as promised, in ${report.steps} steps and ${seconds} s. No logical volume and no mount is left.`,
  );
}

async function prepare(): Promise<Scene> {
  report.heading(`lvm.local.csi on Node.js ${process.version}, ${await lvmVersion()}`);
  report.note("It takes a minute or two. A step's time is that of the call beside it, or of what the step tells.");
  const machine = await report.step("A volume group on a loop device", "", async (step) => {
    const made = await makeMachine(directory);
    step.result(`a used disk ${made.laboratory === "host" ? "of this machine" : "in a throwaway kernel"}`);
    step.show(await runShown("vgs", made.volumeGroup));
    return made;
  });
  return startDriver(machine);
}

async function lvmVersion(): Promise<string> {
  const version = /LVM version:\s*(\S+)/.exec(await run("lvm", "version"))?.[1];
  return `LVM ${version ?? "of unknown version"}`;
}

async function startDriver(machine: Machine): Promise<Scene> {
  const kubeletDirectory = path.join(directory, "kubelet");
  await mkdir(kubeletDirectory);
  const plugin = new Plugin(directory, kubeletDirectory, machine.volumeGroup);
  await report.step("The driver starts", "Probe", async (step) => {
    await step.call(plugin.start());
    const { name, vendorVersion } = await plugin.csi.Identity.GetPluginInfo({});
    step.result(`ready: ${name} ${vendorVersion}`);
  });
  const node = await report.step("Who and where is it?", "NodeGetInfo", async (step) => {
    const { nodeId, accessibleTopology } = await step.call(plugin.csi.Node.NodeGetInfo({}));
    assert(accessibleTopology, "NodeGetInfo answered without a topology");
    step.result(`node ${nodeId}, ${JSON.stringify(accessibleTopology.segments)}`);
    return accessibleTopology;
  });
  return { report, machine, plugin, kubelet: new Kubelet(kubeletDirectory, plugin.csi), node };
}

async function nothingLeft({ machine, kubelet, plugin, node }: Scene): Promise<void> {
  report.heading("What is left");
  await report.step("Logical volumes, mounts, capacity", "GetCapacity", async (step) => {
    assert.deepEqual([...(await volumeSizes(machine)).keys()], [], "logical volumes are left");
    assert.deepEqual(await mountsBelow(kubelet.directory), [], "mounts are left");
    const { availableCapacity } = await step.call(plugin.csi.Controller.GetCapacity({ accessibleTopology: node }));
    const free = await run(
      "vgs",
      "--noheadings",
      "--options",
      "vg_size",
      "--units",
      "b",
      "--nosuffix",
      machine.volumeGroup,
    );
    assert.equal(availableCapacity, free.trim(), "the volume group is not free as a whole");
    step.result(`none, none, all ${formatBytes(Number(availableCapacity))}`);
    step.show(await runShown("vgs", machine.volumeGroup));
  });
}

async function endDriver({ plugin }: Scene): Promise<void> {
  await report.step("End the driver (SIGTERM)", "", async (step) => {
    const ending = await step.call(plugin.stop());
    assert(ending?.code === 0, `it ended with ${ending === undefined ? "nothing" : describeEnding(ending)}`);
    step.result("exit status 0");
  });
}

async function removeMachine({ machine }: Scene): Promise<void> {
  await report.step("Remove volume group and loop device", "", async (step) => {
    await step.call(machine.remove());
    step.result("nothing held them");
  });
}

/** For whoever has to find the fault. */
async function tellState({ machine, plugin, kubelet }: Scene): Promise<void> {
  const volumes = await listVolumes(machine).catch(String);
  const mounts = await mountsBelow(kubelet.directory);
  const told = [
    volumes,
    `Mounts: ${mounts.length === 0 ? "none" : `\n${mounts.join("\n")}`}`,
    `The end of the driver's log:\n${await plugin.log(20)}`,
  ];
  report.note(told.join("\n"));
}
