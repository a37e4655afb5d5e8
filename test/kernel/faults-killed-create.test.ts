import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { stageRequest } from "./device-support.ts";
import { type FaultWorld, campaignMs, killAtEachStep, openFaultWorld } from "./faults-support.ts";
import { stateOf } from "./process-support.ts";
import { leaveTenantsData, requireZeroes } from "./tenants-data.ts";
import { MiB, blockCapability, claimName, devicePath, mountCapability } from "./world.ts";

let world: FaultWorld;

beforeAll(async () => {
  world = await openFaultWorld(160 * MiB);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** A request for a volume on extents that hold a tenant's data. */
async function requestOver(volumeCapability: object, sizeBytes: number) {
  await leaveTenantsData(world, sizeBytes);
  return { name: claimName(), capacityRange: { requiredBytes: sizeBytes }, volumeCapabilities: [volumeCapability] };
}

type Request = Awaited<ReturnType<typeof requestOver>>;

function idOf({ name }: Request): string {
  return `n1/${world.volumeGroup}/${name}`;
}

const common = {
  act: (request: Request) => world.rpc.CreateVolume(request),
  discard: (request: Request) => world.rpc.DeleteVolume({ volumeId: idOf(request) }),
};

test(
  "CreateVolume of raw block, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      ...common,
      name: "create raw block",
      prepare: () => requestOver(blockCapability(), 16 * MiB),
      verify: async (request) => {
        if ((await stateOf(world, request.name)) !== "ready") throw new Error("it is not ready");
        await requireZeroes(devicePath(world, idOf(request)));
      },
    });
    expect(campaign).toMatchObject({
      wrong: [],
      steps: expect.arrayContaining(["lvm lvcreate", "zero", "lvm lvchange"]),
    });
  },
  campaignMs,
);

test(
  "CreateVolume of a filesystem, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      ...common,
      name: "create ext4",
      prepare: () => requestOver(mountCapability("ext4"), 80 * MiB),
      verify: async (request) => {
        const stage = await stageRequest(world, idOf(request), "ext4");
        await world.rpc.NodeStageVolume(stage);
        await world.rpc.NodeUnstageVolume(stage);
      },
    });
    expect(campaign).toMatchObject({
      wrong: [],
      steps: expect.arrayContaining(["lvm lvcreate", "zero", "lvm lvchange"]),
    });
  },
  campaignMs,
);
