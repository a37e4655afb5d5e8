import { open, readFile, stat, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  MiB,
  type World,
  blockCapability,
  blockTargetPath,
  claimName,
  devicePath,
  expectRefused,
  logicalVolumeOf,
  logicalVolumes,
  mountCapability,
  mountsAt,
  openWorld,
  shell,
  stagingPath,
  tagsOf,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** Fills all free extents with a tenant's data, and gives them back. */
async function leaveData(): Promise<void> {
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "tenant", world.volumeGroup);
  const device = await open(`/dev/${world.volumeGroup}/tenant`, "r+");
  const pattern = Buffer.alloc(MiB, "secret! ");
  const { size } = await lookUpSize("tenant");
  for (let offset = 0; offset < size; offset += MiB) await device.write(pattern, 0, MiB, offset);
  await device.sync();
  await device.close();
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/tenant`);
}

async function lookUpSize(name: string): Promise<{ size: number }> {
  const text = await shell(
    "lvs",
    "--noheadings",
    "--units",
    "b",
    "--nosuffix",
    "-o",
    "lv_size",
    `${world.volumeGroup}/${name}`,
  );
  return { size: Number(text) };
}

/** Where the first byte that is not zero stands; -1 if all are. */
async function firstData(path: string, size: number): Promise<number> {
  const device = await open(path, "r");
  const zeroes = Buffer.alloc(MiB);
  try {
    for (let offset = 0; offset < size; offset += MiB) {
      const { buffer } = await device.read(Buffer.alloc(MiB), 0, MiB, offset);
      if (!buffer.equals(zeroes)) return offset + buffer.findIndex((byte) => byte !== 0);
    }
    return -1;
  } finally {
    await device.close();
  }
}

async function create(parameters: Record<string, string> = {}, size = 64 * MiB): Promise<string> {
  const request = {
    name: claimName(),
    capacityRange: { requiredBytes: size },
    volumeCapabilities: [blockCapability()],
    parameters,
  };
  return (await world.rpc.CreateVolume(request)).volume?.volumeId ?? "";
}

test("a raw block volume, and what it grows by, never shows an earlier tenant's data", async () => {
  await leaveData();
  const volumeId = await create();
  expect(await tagsOf(world, logicalVolumeOf(volumeId))).toEqual({ state: "ready", fs: "block" });
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "raw"), volumeCapability: blockCapability() };
  const target = await blockTargetPath(world, "pod1");
  await world.rpc.NodeStageVolume(stage);
  await world.rpc.NodePublishVolume({ ...stage, targetPath: target });
  expect(await firstData(target, 64 * MiB)).toBe(-1);

  const expanded = await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 192 * MiB } });
  expect(expanded).toEqual({ capacityBytes: String(192 * MiB), nodeExpansionRequired: false });
  expect(await firstData(target, 192 * MiB)).toBe(-1);
  expect(await world.rpc.NodeExpandVolume({ volumeId, volumePath: target })).toEqual({
    capacityBytes: String(192 * MiB),
  });
  expect(await logicalVolumes(world)).toEqual([logicalVolumeOf(volumeId)]);

  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.DeleteVolume({ volumeId });
});

test("initialize=signatures zeroes only where signatures are looked for: the tenant's data is really there", async () => {
  await leaveData();
  const volumeId = await create({ initialize: "signatures" });
  const at = await firstData(devicePath(world, volumeId), 64 * MiB);
  expect(at).toBeGreaterThanOrEqual(2 * MiB);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a repeated publish makes one mount, one unpublish takes it away, and a published volume is not deleted", async () => {
  const volumeId = await create();
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "raw"), volumeCapability: blockCapability() };
  const target = await blockTargetPath(world, "pod1");
  await world.rpc.NodeStageVolume(stage);
  for (let time = 0; time < 10; time += 1) await world.rpc.NodePublishVolume({ ...stage, targetPath: target });
  expect(await mountsAt(target)).toHaveLength(1);
  expect((await stat(target)).isBlockDevice()).toBe(true);
  expect((await stat(target)).rdev).toBe((await stat(devicePath(world, volumeId))).rdev);

  const stats = await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: target });
  expect(stats.usage).toMatchObject([{ unit: "BYTES", total: String(64 * MiB) }]);
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /in use: mounted at/);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });

  const held = await open(devicePath(world, volumeId), "r+");
  await shell("mkfs.ext4", "-q", devicePath(world, volumeId));
  await held.close();
  const mountedByHand = await stagingPath(world, "by-hand");
  await shell("mount", devicePath(world, volumeId), mountedByHand);
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /in use/);
  await shell("umount", mountedByHand);
  await world.rpc.DeleteVolume({ volumeId });
});

test("ReadWriteOncePod: a second pod is refused and leaves nothing, the first may ask again", async () => {
  const single = blockCapability("SINGLE_NODE_SINGLE_WRITER");
  const volumeId = await create();
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "alone"), volumeCapability: single };
  const [first, second] = [await blockTargetPath(world, "pod1"), await blockTargetPath(world, "pod2")];
  await world.rpc.NodeStageVolume(stage);
  for (const _ of ["once", "again"]) await world.rpc.NodePublishVolume({ ...stage, targetPath: first });
  await expectRefused(
    world.rpc.NodePublishVolume({ ...stage, targetPath: second }),
    "FAILED_PRECONDITION",
    /one pod alone/,
  );
  await expect(stat(second)).rejects.toMatchObject({ code: "ENOENT" });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: first });
  await world.rpc.NodePublishVolume({ ...stage, targetPath: second });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: second });
  await world.rpc.DeleteVolume({ volumeId });
});

test.each(["zero", "shred:2", "discard"])("wipe=%s destroys the data before the extents are free", async (wipe) => {
  const volumeId = await create({ wipe });
  const device = devicePath(world, volumeId);
  await writeFile(device, Buffer.alloc(64 * MiB, "precious"), { flag: "r+" });
  const extents = await shell(
    "lvs",
    "--noheadings",
    "-o",
    "seg_pe_ranges",
    `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`,
  );
  await world.rpc.DeleteVolume({ volumeId });
  await shell(
    "lvcreate",
    "--quiet",
    "--yes",
    "-Wn",
    "-Zn",
    "-l",
    "16",
    "-n",
    "look",
    world.volumeGroup,
    extents.trim(),
  );
  const found = await shell(
    "grep",
    "--count",
    "--binary-files=text",
    "precious",
    `/dev/${world.volumeGroup}/look`,
  ).catch(() => "0\n");
  expect(found).toBe("0\n");
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/look`);
});

test("a volume is what it was made for: the other access type is refused", async () => {
  const volumeId = await create();
  const staging = await stagingPath(world, "kind");
  const asMount = { volumeId, stagingTargetPath: staging, volumeCapability: mountCapability("ext4") };
  await expectRefused(world.rpc.NodeStageVolume(asMount), "FAILED_PRECONDITION", /was made for raw block/);
  const answer = await world.rpc.ValidateVolumeCapabilities({
    volumeId,
    volumeCapabilities: [mountCapability("ext4")],
  });
  expect(answer).toMatchObject({ confirmed: null, message: expect.stringContaining("raw block") });
  await world.rpc.DeleteVolume({ volumeId });
});

test("expanding a published volume leaves its data alone, also where nothing is zeroed", async () => {
  for (const initialize of ["signatures", "auto"]) {
    const volumeId = await create({ initialize });
    const stage = {
      volumeId,
      stagingTargetPath: await stagingPath(world, "kept"),
      volumeCapability: blockCapability(),
    };
    const target = await blockTargetPath(world, "pod1");
    await world.rpc.NodeStageVolume(stage);
    await world.rpc.NodePublishVolume({ ...stage, targetPath: target });
    await writeFile(target, Buffer.alloc(64 * MiB, "kept"), { flag: "r+" });
    await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 96 * MiB } });
    const data = await readFile(target);
    expect(data.length).toBe(96 * MiB);
    expect(data.subarray(0, 64 * MiB).equals(Buffer.alloc(64 * MiB, "kept"))).toBe(true);
    expect(await tagsOf(world, logicalVolumeOf(volumeId))).toMatchObject({ state: "ready" });
    await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    await world.rpc.DeleteVolume({ volumeId });
  }
});

test("a logical volume of somebody else's with the scratch volume's name is left alone", async () => {
  const volumeId = await create();
  const foreign = `grow-${logicalVolumeOf(volumeId)}`;
  await shell("lvcreate", "--quiet", "--yes", "-l", "1", "-n", foreign, world.volumeGroup);
  const expansion = world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 96 * MiB } });
  await expectRefused(expansion, "FAILED_PRECONDITION", /is not the driver's/);
  await world.rpc.DeleteVolume({ volumeId });
  expect(await logicalVolumes(world)).toEqual([foreign]);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${foreign}`);
});
