import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  type SmallDisk,
  createFilesystem,
  dmsetup,
  makeSmallDisk,
  setState,
  stageRequest,
  writeAt,
} from "./device-support.ts";
import { outcomeOf, persist, stateOf, until } from "./process-support.ts";
import { MiB, type World, blockCapability, claimName, devicePath, expectRefused, openWorld, shell } from "./world.ts";

let world: World;
let disk: SmallDisk;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 512 * MiB);
  world = await openWorld([disk.path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

/** An earlier tenant's filesystems, and ends of partition tables, on all extents that are free. */
async function leaveFilesystems(): Promise<void> {
  const path = `/dev/${world.volumeGroup}/tenant`;
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "tenant", world.volumeGroup);
  await shell("mkfs.ext4", "-qF", path);
  const device = await open(path, "r+");
  for (let at = 0; at < 480 * MiB; at += MiB) {
    await device.write("secret", at + 4096);
    await device.write("EFI PART", at + MiB - 512);
  }
  await device.close();
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/tenant`);
}

test("a volume that grows before its first use is blank also where old data lay", async () => {
  await leaveFilesystems();
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  for (const size of [64, 200]) {
    await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: size * MiB } });
  }
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  expect(await stateOf(world, volumeId)).toBe("formatted");
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a volume whose first mkfs was interrupted, and that then grows to where old data lay, can be staged", async () => {
  await leaveFilesystems();
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  await setState(world, volumeId, "ready", "formatting");
  const before = await readFile(devicePath(world, volumeId));
  for (const size of [64, 200]) {
    await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: size * MiB } });
  }
  expect(await stateOf(world, volumeId)).toBe("formatting");
  const after = await readFile(devicePath(world, volumeId));
  expect(after.length).toBe(200 * MiB);
  expect(before.equals(after.subarray(0, before.length))).toBe(true);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  expect(await stateOf(world, volumeId)).toBe("formatted");
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("growing never writes over what somebody put on a volume", async () => {
  const asked = { volumeCapabilities: [blockCapability()], parameters: { initialize: "signatures" } };
  const created = await world.rpc.CreateVolume({
    ...asked,
    name: claimName(),
    capacityRange: { requiredBytes: 32 * MiB },
  });
  for (const volumeId of [created.volume?.volumeId ?? "", await createFilesystem(world, "ext4", 32 * MiB)]) {
    await shell("mkfs.ext4", "-q", devicePath(world, volumeId));
    const before = await readFile(devicePath(world, volumeId));
    const growth = world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 64 * MiB } });
    expect(["OK", "FAILED_PRECONDITION"]).toContain(await outcomeOf(growth));
    const after = await readFile(devicePath(world, volumeId));
    expect(before.equals(after.subarray(0, before.length))).toBe(true);
    await world.rpc.DeleteVolume({ volumeId });
  }
});

test("the device that mkfs is to write to stays what it was when it was looked at", async () => {
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  const lock = `${process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm"}/V_${world.volumeGroup}`;
  const holder = spawn("flock", [lock, "sleep", "60"], { stdio: "ignore", detached: true });
  const request = await stageRequest(world, volumeId, "ext4");
  const staging = world.rpc.NodeStageVolume(request).catch((error: unknown) => error);
  await until("lvchange waits for the lock", async () => (await readFile("/proc/locks", "utf8")).includes("->"));
  // Otherwise another device could take its number, and mkfs would be given that one's node.
  await expect(dmsetup("remove", devicePath(world, volumeId))).rejects.toThrow(/busy/);
  process.kill(-(holder.pid ?? 0), "SIGKILL");
  await once(holder, "exit");
  expect(await staging).toEqual({});
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a device that a process has open is not wiped", async () => {
  const asked = { volumeCapabilities: [blockCapability()], parameters: { wipe: "zero" } };
  const { volume } = await world.rpc.CreateVolume({
    ...asked,
    name: claimName(),
    capacityRange: { requiredBytes: 32 * MiB },
  });
  const volumeId = volume?.volumeId ?? "";
  await writeAt(devicePath(world, volumeId), 0, Buffer.from("row"));
  const database = await open(devicePath(world, volumeId), "r+");
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /in use/);
  const { buffer } = await database.read(Buffer.alloc(3), 0, 3, 0);
  await database.close();
  expect(buffer.toString()).toBe("row");
  expect(await stateOf(world, volumeId)).toBe("ready");
  await world.rpc.DeleteVolume({ volumeId });
});

test("a restart looks after every volume, whatever the tags of another say", async () => {
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  const [odd, orphan] = [`${world.volumeGroup}/aaa`, `grow-${claimName()}`];
  const make = ["--quiet", "--yes", "-Wn", "-Zn", "--extents", "2"];
  const growing = ["--addtag", "lvm.local.csi/state=growing", "--addtag", "lvm.local.csi/fs=block"];
  await shell("lvcreate", ...make, "--addtag", "lvm.local.csi/state=odd", "--name", "aaa", world.volumeGroup);
  await shell("lvcreate", ...make, ...growing, "--name", orphan, world.volumeGroup);
  await setState(world, volumeId, "ready", "creating");
  await world.driver().kill();
  await world.start();
  const settled = await until(
    "both are settled",
    async () => (await stateOf(world, volumeId)) === "ready" && (await stateOf(world, orphan)) === undefined,
  ).catch(() => false);
  const left = [await stateOf(world, volumeId), await stateOf(world, orphan)];
  await shell("lvremove", "--quiet", "--yes", odd);
  if (!settled) await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${orphan}`).catch(() => "");
  await persist(() => world.rpc.DeleteVolume({ volumeId }));
  expect(left).toEqual(["ready", undefined]);
});
