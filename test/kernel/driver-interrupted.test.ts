// What an LVM command that was killed half-way leaves behind, made by hand: `npm run fault-points` finds the rest.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, dmsetup, setState } from "./device-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  devicePath,
  logicalVolumeOf,
  logicalVolumes,
  openWorld,
  shell,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

function mappingName(volumeId: string): string {
  return devicePath(world, volumeId).slice("/dev/mapper/".length);
}

async function deviceBytes(volumeId: string): Promise<number> {
  return Number(await shell("blockdev", "--getsize64", devicePath(world, volumeId)));
}

test("lvcreate ended between the device and its table: the repeated CreateVolume gives it one", async () => {
  const request = {
    name: claimName(),
    capacityRange: { requiredBytes: 16 * MiB },
    volumeCapabilities: [blockCapability()],
  };
  const { volume } = await world.rpc.CreateVolume(request);
  const volumeId = volume?.volumeId ?? "";
  const name = mappingName(volumeId);
  const uuid = (await dmsetup("info", "--columns", "--noheadings", "--options", "uuid", name)).trim();
  await setState(world, volumeId, "ready", "creating");
  await dmsetup("remove", name);
  await dmsetup("create", name, "--uuid", uuid, "--notable");
  expect(await world.rpc.CreateVolume(request)).toEqual({ volume });
  expect(await deviceBytes(volumeId)).toBe(16 * MiB);
  await world.rpc.DeleteVolume({ volumeId });
});

test("an expansion ended while its scratch volume was there: the repeated one takes it away and goes on", async () => {
  const request = { name: claimName(), capacityRange: { requiredBytes: 16 * MiB } };
  const { volume } = await world.rpc.CreateVolume({ ...request, volumeCapabilities: [blockCapability()] });
  const volumeId = volume?.volumeId ?? "";
  const tags = ["state=growing", "fs=block"].flatMap((tag) => ["--addtag", `lvm.local.csi/${tag}`]);
  const scratch = ["--name", `grow-${request.name}`, "--extents", "2", ...tags];
  await shell("lvcreate", "--quiet", "--yes", ...scratch, world.volumeGroup);
  const expanded = await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 24 * MiB } });
  expect(expanded.capacityBytes).toBe(String(24 * MiB));
  expect(await logicalVolumes(world)).toEqual([logicalVolumeOf(volumeId)]);
  await world.rpc.DeleteVolume({ volumeId });
});

test.each(["resumed", "suspended"])(
  "lvextend ended after its commit, the device %s with its old table: the repeated expansion brings it up",
  async (state) => {
    const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
    const name = mappingName(volumeId);
    const before = (await dmsetup("table", name)).trim();
    await shell("lvextend", "--quiet", "--size", "64m", `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`);
    await dmsetup("load", name, "--table", before);
    await dmsetup("resume", name);
    if (state === "suspended") await dmsetup("suspend", name);
    expect(await deviceBytes(volumeId)).toBe(32 * MiB);
    await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 64 * MiB } });
    expect(await deviceBytes(volumeId)).toBe(64 * MiB);
    expect(await dmsetup("info", name)).toMatch(/State:\s+ACTIVE/);
    await world.rpc.DeleteVolume({ volumeId });
  },
);
