import { readFile, statfs, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { setState, stageRequest } from "./device-support.ts";
import { type FaultWorld, campaignMs, killAtEachStep, openFaultWorld } from "./faults-support.ts";
import { persist } from "./process-support.ts";
import { leaveTenantsData, partitioned, requireZeroes } from "./tenants-data.ts";
import { type Staged, createVolume, discardVolume, stagedVolume } from "./volume-support.ts";
import { MiB, blockCapability, devicePath } from "./world.ts";

let world: FaultWorld;

beforeAll(async () => {
  world = await openFaultWorld(160 * MiB);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const [oldBytes, newBytes] = [16 * MiB, 24 * MiB];
const row = Buffer.alloc(oldBytes, "row");

function expand(volumeId: string, requiredBytes: number) {
  return world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes, limitBytes: requiredBytes } });
}

/** Nothing but its own data and zeroes may be on the volume, also before the call is repeated. */
async function verifyRaw({ volumeId }: Staged): Promise<void> {
  const device = devicePath(world, volumeId);
  if (!(await readFile(device)).subarray(0, oldBytes).equals(row)) throw new Error("the volume's data changed");
  await requireZeroes(device, oldBytes);
}

async function requireBytes(volumeId: string, wanted: number): Promise<void> {
  const { length } = await readFile(devicePath(world, volumeId));
  if (length !== wanted) throw new Error(`it has ${length} bytes`);
}

test(
  "ControllerExpandVolume of raw block, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "expand raw block",
      prepare: async () => {
        await leaveTenantsData(world, newBytes);
        const staged = await stagedVolume(world, { capability: blockCapability(), sizeBytes: oldBytes });
        await writeFile(devicePath(world, staged.volumeId), row, { flag: "r+", flush: true });
        return staged;
      },
      act: async ({ volumeId }) => expand(volumeId, newBytes),
      verify: async (staged) => {
        await verifyRaw(staged);
        await requireBytes(staged.volumeId, newBytes);
      },
      instead: verifyRaw,
      discard: (staged) => discardVolume(world, staged),
    });
    expect(campaign).toMatchObject({
      wrong: [],
      steps: expect.arrayContaining(["lvm lvcreate", "zero", "lvm lvremove", "lvm lvextend"]),
    });
  },
  campaignMs,
);

async function verifyRow({ stagingTargetPath }: Staged): Promise<void> {
  if (!(await readFile(path.join(stagingTargetPath, "row"))).equals(row)) throw new Error("its data changed");
}

test(
  "ControllerExpandVolume and NodeExpandVolume of a mounted filesystem, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "expand ext4",
      prepare: async () => {
        const staged = await stagedVolume(world, { sizeBytes: 32 * MiB });
        await writeFile(path.join(staged.stagingTargetPath, "row"), row, { flush: true });
        return staged;
      },
      act: async ({ volumeId, stagingTargetPath }) => {
        await expand(volumeId, 80 * MiB);
        await world.rpc.NodeExpandVolume({ volumeId, volumePath: stagingTargetPath });
      },
      verify: async (staged) => {
        await verifyRow(staged);
        await requireBytes(staged.volumeId, 80 * MiB);
        const { blocks, bsize } = await statfs(staged.stagingTargetPath);
        if (blocks * bsize < 64 * MiB) throw new Error(`the filesystem has ${blocks * bsize} bytes`);
      },
      instead: verifyRow,
      discard: (staged) => discardVolume(world, staged),
    });
    expect(campaign).toMatchObject({ wrong: [], steps: expect.arrayContaining(["lvm lvextend", "grow ext4"]) });
  },
  campaignMs,
);

/** The next stage makes the filesystem: no earlier tenant's data are taken for somebody's. */
async function verifyStage(volumeId: string): Promise<void> {
  const stage = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(stage);
  await world.rpc.NodeUnstageVolume(stage);
}

test(
  "ControllerExpandVolume of a filesystem volume before its first use, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "expand ext4 before its first use",
      prepare: async () => {
        await leaveTenantsData(world, 80 * MiB);
        return createVolume(world, { sizeBytes: 32 * MiB });
      },
      act: (volumeId) => expand(volumeId, 80 * MiB),
      verify: async (volumeId) => {
        await requireBytes(volumeId, 80 * MiB);
        await verifyStage(volumeId);
      },
      discard: (volumeId) => world.rpc.DeleteVolume({ volumeId }),
    });
    expect(campaign).toMatchObject({ wrong: [], steps: expect.arrayContaining(["lvm lvextend", "zero"]) });
  },
  campaignMs,
);

test(
  "ControllerExpandVolume of a volume whose first mkfs was interrupted, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "expand ext4 after an interrupted mkfs",
      prepare: async () => {
        await leaveTenantsData(world, 80 * MiB, partitioned);
        const volumeId = await createVolume(world, { sizeBytes: 32 * MiB });
        await setState(world, volumeId, "ready", "formatting");
        return volumeId;
      },
      act: (volumeId) => expand(volumeId, 80 * MiB),
      verify: async (volumeId) => {
        await requireBytes(volumeId, 80 * MiB);
        await verifyStage(volumeId);
      },
      // the kubelet may come before csi-resizer
      instead: (volumeId) => persist(() => verifyStage(volumeId)),
      discard: (volumeId) => world.rpc.DeleteVolume({ volumeId }),
    });
    expect(campaign).toMatchObject({ wrong: [], steps: expect.arrayContaining(["lvm lvextend", "zero"]) });
  },
  campaignMs,
);
