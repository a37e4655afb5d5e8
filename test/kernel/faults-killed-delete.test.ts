import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { dmsetup } from "./device-support.ts";
import { type FaultWorld, campaignMs, killAtEachStep, openFaultWorld } from "./faults-support.ts";
import { persist, stateOf } from "./process-support.ts";
import { fillWithPattern, requireZeroes } from "./tenants-data.ts";
import { createVolume, stagedVolume } from "./volume-support.ts";
import { MiB, blockCapability, devicePath, logicalVolumeOf, shell, targetPath } from "./world.ts";

let world: FaultWorld;

beforeAll(async () => {
  world = await openFaultWorld(120 * MiB);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

async function publishedFilesystem() {
  const staged = await stagedVolume(world, { sizeBytes: 32 * MiB });
  const published = { ...staged, targetPath: await targetPath(world, logicalVolumeOf(staged.volumeId)) };
  await world.rpc.NodePublishVolume(published);
  await writeFile(path.join(published.targetPath, "row"), "committed");
  return published;
}

type Published = Awaited<ReturnType<typeof publishedFilesystem>>;

async function takeToItsEnd(published: Published): Promise<void> {
  await world.rpc.NodeUnpublishVolume(published);
  await world.rpc.NodeUnstageVolume(published);
  await world.rpc.DeleteVolume(published);
}

test(
  "NodeUnpublishVolume, NodeUnstageVolume and DeleteVolume, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "unpublish, unstage and delete ext4",
      prepare: publishedFilesystem,
      act: takeToItsEnd,
      verify: async ({ volumeId }) => {
        if ((await stateOf(world, volumeId)) !== undefined) throw new Error("it is still there");
      },
      // who has not been told that it is gone may use it again
      instead: async (published) => {
        if ((await stateOf(world, published.volumeId)) === undefined) return;
        await persist(() => world.rpc.NodeStageVolume(published));
        const row = await readFile(path.join(published.stagingTargetPath, "row"), "utf8");
        if (row !== "committed") throw new Error(`the row reads ${row}`);
      },
      discard: takeToItsEnd,
    });
    expect(campaign).toMatchObject({ wrong: [], steps: expect.arrayContaining(["unmount", "lvm lvremove"]) });
  },
  campaignMs,
);

const sizeBytes = 16 * MiB;

/** A volume full of data that is to be wiped, and a way to look at its extents when it is gone. */
async function volumeToWipe() {
  const parameters = { wipe: "zero" };
  const volumeId = await createVolume(world, { capability: blockCapability(), sizeBytes, parameters });
  await fillWithPattern(devicePath(world, volumeId), sizeBytes);
  return { volumeId, table: (await dmsetup("table", devicePath(world, volumeId))).trim() };
}

async function requireWiped(table: string): Promise<void> {
  await shell("bash", "-c", `echo '${table}' | DM_DISABLE_UDEV=1 dmsetup create look`);
  try {
    await requireZeroes("/dev/mapper/look");
  } finally {
    await dmsetup("remove", "look");
  }
}

test(
  "DeleteVolume that wipes, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "wipe and delete raw block",
      prepare: volumeToWipe,
      act: ({ volumeId }) => world.rpc.DeleteVolume({ volumeId }),
      verify: ({ table }) => requireWiped(table),
      // either it was not begun, or the driver carries it on by itself; the extents are free only when they are wiped
      instead: async ({ volumeId, table }) => {
        const state = await stateOf(world, volumeId);
        if (state === undefined) return requireWiped(table);
        if (state === "removing") return;
        const stage = { volumeId, stagingTargetPath: "", volumeCapability: blockCapability() };
        await persist(() => world.rpc.NodeStageVolume({ ...stage, stagingTargetPath: path.join(world.kubelet, "s") }));
        const data = await readFile(devicePath(world, volumeId));
        if (!data.equals(Buffer.alloc(sizeBytes, "secret! "))) throw new Error("its data is gone");
      },
      discard: async ({ volumeId, table }) => {
        await world.rpc.DeleteVolume({ volumeId });
        await requireWiped(table);
      },
    });
    expect(campaign).toMatchObject({
      wrong: [],
      steps: expect.arrayContaining(["lvm lvchange", "zero", "lvm lvremove"]),
    });
  },
  campaignMs,
);
