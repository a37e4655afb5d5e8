import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Devices, Host, LvmProcess, Mounts, Programs, WritableDevice } from "../../src/host/host.ts";
import type { Steps } from "./steps.ts";

/**
 * The same machine, every change to it taken as a step. What only looks is none: between a look and the step before it
 * nothing of the driver but its memory differs. Opening and closing are steps, because others are kept out meanwhile.
 */
export function hostWithSteps(host: Host, steps: Steps): Host {
  return {
    ...host,
    devices: devicesWithSteps(host.devices, steps),
    mounts: mountsWithSteps(host.mounts, steps),
    programs: programsWithSteps(host.programs, steps),
    lvm: {
      start: (configuration) =>
        steps.take("start lvm", async () => lvmWithSteps(await host.lvm.start(configuration), steps)),
    },
  };
}

function devicesWithSteps(devices: Devices, steps: Steps): Devices {
  return {
    ...devices,
    flush: (device) => steps.take("flush", () => devices.flush(device)),
    openExclusive: (device) =>
      steps.take("open exclusively", async () => writableWithSteps(await devices.openExclusive(device), steps)),
    openShared: (device) =>
      steps.take("open shared", async () => writableWithSteps(await devices.openShared(device), steps)),
    hold: (device) =>
      steps.take("hold", async () => {
        const held = await devices.hold(device);
        return { ...held, close: () => steps.take("let go", () => held.close()) };
      }),
  };
}

function writableWithSteps(device: WritableDevice, steps: Steps): WritableDevice {
  return {
    read: (ranges) => device.read(ranges),
    holdsZeroes: (ranges) => device.holdsZeroes(ranges),
    zero: (range) => steps.take("zero", () => device.zero(range)),
    discard: (range) => steps.take("discard", () => device.discard(range)),
    scramble: (range) => steps.take("scramble", () => device.scramble(range)),
    flush: () => steps.take("flush", () => device.flush()),
    close: () => steps.take("close", () => device.close()),
  };
}

function mountsWithSteps(mounts: Mounts, steps: Steps): Mounts {
  return {
    ...mounts,
    makeDirectory: (path) => steps.take("make directory", () => mounts.makeDirectory(path)),
    makeFile: (path) => steps.take("make file", () => mounts.makeFile(path)),
    mount: (mount) => steps.take("mount", () => mounts.mount(mount)),
    bind: (mount) => steps.take("bind", () => mounts.bind(mount)),
    unmount: (path) => steps.take("unmount", () => mounts.unmount(path)),
    remove: (path) => steps.take("remove", () => mounts.remove(path)),
    growExt4: (path, mountId, blocks) => steps.take("grow ext4", () => mounts.growExt4(path, mountId, blocks)),
    sync: (path, mountId) => steps.take("sync", () => mounts.sync(path, mountId)),
  };
}

function programsWithSteps(programs: Programs, steps: Steps): Programs {
  return {
    run: (file, args, held) =>
      steps.take(
        `run ${file}`,
        () => programs.run(file, args, held),
        () => untilChild(file),
      ),
  };
}

function lvmWithSteps(lvm: LvmProcess, steps: Steps): LvmProcess {
  return {
    ...lvm,
    execute: (line) => steps.take(`lvm ${line.split(" ", 1)[0]}`, () => lvm.execute(line)),
    end: () => steps.take("end lvm", () => lvm.end()),
  };
}

/** Resolves when a child of this process has become that program. */
async function untilChild(name: string): Promise<void> {
  while (!readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && isChild(pid, name))) await pause(1);
}

/** proc_pid_stat(5): "pid (name) state parent ..."; of the name 15 characters are kept. */
function isChild(pid: string, name: string): boolean {
  try {
    const [, found, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return found === name.slice(0, 15) && Number(parent) === process.pid;
  } catch {
    return false;
  }
}
