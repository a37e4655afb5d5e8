import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { CallError } from "../lab/csi-client.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { createVolume } from "./volume-support.ts";
import {
  MiB,
  type World,
  claimName,
  logicalVolumeOf,
  logicalVolumes,
  mountCapability,
  openWorld,
  shell,
  stagingPath,
  tagsOf,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  // an area for 62,720 bytes of text, most of which is a stranger's
  world = await openWorld(1, [], ["--metadatasize", "96k", "--dataalignment", "64k"]);
  await shell("lvcreate", "--quiet", "-Wn", "-Zn", "-l", "1", "-n", "foreign", world.volumeGroup);
  await addTags(0, 46);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** Puts that many tags of about 1,000 bytes on the stranger's volume. */
async function addTags(from: number, count: number): Promise<void> {
  const tags = Array.from({ length: count }, (_, index) => ["--addtag", `${from + index}.${"x".repeat(990)}`]);
  await shell("lvchange", "--quiet", ...tags.flat(), `${world.volumeGroup}/foreign`);
}

/** Makes volumes until the driver makes no more; returns their ids and its answer to the last. */
async function fill(parameters: Record<string, string>): Promise<{ ids: readonly string[]; refusal: unknown }> {
  const ids: string[] = [];
  for (;;) {
    try {
      ids.push(await createVolume(world, { sizeBytes: 16 * MiB, parameters }));
    } catch (refusal) {
      return { ids, refusal };
    }
  }
}

test("the last volume that the metadata area holds can still be used, changed and removed", async () => {
  const wide = {
    mkfsOptions: "-i 65536 -m 1 -O 64bit,dir_index,extra_isize,flex_bg,huge_file,large_file,metadata_csum",
    wipe: "zero",
  };
  const { ids, refusal } = await fill(wide);
  expect(refusal).toBeInstanceOf(CallError);
  expect(refusal).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    details: expect.stringMatching(/metadata area of volume group .* is nearly full \(\d+ of \d+ bytes\)/),
  });
  expect(ids.length).toBeGreaterThan(5);
  expect(await world.rpc.GetCapacity({})).toMatchObject({ availableCapacity: "0", maximumVolumeSize: { value: "0" } });
  const volumeId = ids.at(-1) ?? "";
  const expand: BadCall = [
    "expand",
    /metadata area/,
    () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 64 * MiB } }),
    "OUT_OF_RANGE",
  ];
  expect(await wrongAnswers([expand])).toEqual([]);

  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "last"), volumeCapability: mountCapability() };
  await world.rpc.NodeStageVolume(stage);
  expect(await tagsOf(world, logicalVolumeOf(volumeId))).toMatchObject({ state: "formatted" });
  await world.rpc.NodeUnstageVolume(stage);
  await Promise.all(ids.map((id) => world.rpc.DeleteVolume({ volumeId: id })));
  expect(await logicalVolumes(world)).toEqual(["foreign"]);
});

test("all volumes at once may be between two states when the area is as full as the driver fills it", async () => {
  const { ids } = await fill({});
  const stages = await Promise.all(
    ids.map(async (volumeId) => {
      const stagingTargetPath = await stagingPath(world, logicalVolumeOf(volumeId));
      return { volumeId, stagingTargetPath, volumeCapability: mountCapability() };
    }),
  );
  const staged = await Promise.allSettled(stages.slice(0, 8).map((stage) => world.rpc.NodeStageVolume(stage)));
  expect(staged.filter(({ status }) => status === "rejected")).toEqual([]);
  await Promise.all(stages.map((stage) => world.rpc.NodeUnstageVolume(stage)));
  await Promise.all(ids.map((volumeId) => world.rpc.DeleteVolume({ volumeId })));
  expect(await logicalVolumes(world)).toEqual(["foreign"]);
});

test("an area that a stranger fills is no room either", async () => {
  await addTags(46, 9);
  const create = (): Promise<unknown> =>
    world.rpc.CreateVolume({ name: claimName(), volumeCapabilities: [mountCapability()] });
  expect(await wrongAnswers([["create", /metadata area/, create, "RESOURCE_EXHAUSTED"]])).toEqual([]);
  expect(await logicalVolumes(world)).toEqual(["foreign"]);
});
