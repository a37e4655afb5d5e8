import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost } from "../../src/host/create-host.ts";
import type { BlockDevice, Host } from "../../src/host/host.ts";

export const MEBIBYTE = 2 ** 20;

/** A volume group on a loop device, and a kubelet directory beside it. */
export interface HostLab {
  readonly host: Host;
  readonly group: string;
  /** The node of the loop device. */
  readonly disk: string;
  readonly kubelet: string;
  volume(name: string): Promise<BlockDevice>;
  close(): Promise<void>;
}

export async function openHostLab(group: string): Promise<HostLab> {
  const directory = mkdtempSync(join(tmpdir(), "host-lab-"));
  const image = join(directory, "disk");
  writeFileSync(image, "");
  await truncate(image, 256 * MEBIBYTE);
  const disk = run("losetup", "--find", "--show", image).trim();
  run("vgcreate", "--yes", "--physicalextentsize", "1m", group, disk);
  const kubelet = join(directory, "kubelet");
  mkdirSync(join(kubelet, "pods"), { recursive: true });
  const { host, close } = await createHost({ kubeletDirectory: kubelet });
  return {
    host,
    group,
    disk,
    kubelet,
    volume: async (name) => required(await host.devices.findMapping(`${group}-${name}`)),
    close: async () => {
      await close();
      run("vgremove", "--yes", "--force", group);
      run("losetup", "--detach", disk);
      rmSync(directory, { recursive: true });
    },
  };
}

/** Runs a program and returns its output. @throws Error when it fails */
export function run(file: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(`${file} ${args.join(" ")}: ${error?.message ?? stderr}`);
  }
  return stdout;
}

export function required<Value>(value: Value | undefined): Value {
  if (value === undefined) {
    throw new Error("there is none");
  }
  return value;
}

/** What all calls for a device or path must answer with. */
export function refusal(code: string): object {
  return { name: "SystemError", code };
}
