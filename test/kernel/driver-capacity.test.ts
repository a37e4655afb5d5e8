import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { createVolume } from "./volume-support.ts";
import { type World, blockCapability, mountCapability, openWorld, shell } from "./world.ts";

let world: World;

const extent = 4 * 1024 ** 2;
const node = "topology.lvm.local.csi/node";
/** Free extents that the fillers leave on the three disks; some of the first two's lie apart from the others. */
const left = [60, 41, 25];

beforeAll(async () => {
  world = await openWorld(3);
  for (const [index, count] of left.entries()) await fill(index, count, [16, 9, 0][index] ?? 0);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** Takes all of a disk but `keep` extents, of which `apart` lie before what is taken. */
async function fill(index: number, keep: number, apart: number): Promise<void> {
  const disk = world.disks[index] ?? "";
  const allocate = (name: string, extents: number): Promise<string> =>
    shell("lvcreate", "--quiet", "-Wn", "-Zn", "-l", String(extents), "-n", name, world.volumeGroup, disk);
  if (apart > 0) await allocate("hole", apart);
  const free = Number(
    await shell("vgs", "--noheadings", "-o", "pv_pe_count", "-S", `pv_name=${disk}`, world.volumeGroup),
  );
  await allocate(`filler${index}`, free - keep);
  if (apart > 0) await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/hole`);
}

async function room(parameters: Record<string, string> = {}): Promise<number> {
  const { availableCapacity, maximumVolumeSize } = await world.rpc.GetCapacity({ parameters });
  expect(maximumVolumeSize?.value).toBe(availableCapacity);
  return Number(availableCapacity) / extent;
}

function make(extents: number, parameters: Record<string, string> = {}): Promise<string> {
  return createVolume(world, { sizeBytes: extents * extent, parameters });
}

/** Finds that a volume of all the room there is can be made, and one larger by the least cannot. */
async function exhaust(parameters: Record<string, string>, stripes: number): Promise<number> {
  const extents = await room(parameters);
  const figures = new RegExp(
    `${(extents + stripes) * extent} bytes are asked for, but .* has room for ${extents * extent} bytes`,
  );
  const larger: BadCall = ["larger", figures, () => make(extents + stripes, parameters), "RESOURCE_EXHAUSTED"];
  expect(await wrongAnswers([larger])).toEqual([]);
  await world.rpc.DeleteVolume({ volumeId: await make(extents, parameters) });
  return extents;
}

test.each([
  ["linear", {}, 1, 126],
  ["two stripes", { layout: "striped" }, 2, 82],
  ["three stripes", { layout: "striped", stripes: "3", stripeSize: "1Mi" }, 3, 75],
])("%s: what is promised can be had, and not an extent more", async (_, parameters, stripes, extents) => {
  expect(await exhaust(parameters, stripes)).toBe(extents);
});

test("more stripes than disks have no room, and say so", async () => {
  const parameters = { layout: "striped", stripes: "4" };
  expect(await room(parameters)).toBe(0);
  const call: BadCall = ["four", /room for 0 bytes/, () => make(4, parameters), "RESOURCE_EXHAUSTED"];
  expect(await wrongAnswers([call])).toEqual([]);
});

test.each([
  ["a filesystem", mountCapability(), 1],
  ["raw block", blockCapability(), 1],
  ["a filesystem in stripes", mountCapability(), 2],
  ["raw block in stripes", blockCapability(), 2],
])("%s grows by exactly what is free", async (_, capability, stripes) => {
  const parameters: Record<string, string> = stripes === 1 ? {} : { layout: "striped" };
  const volumeId = await createVolume(world, { capability, sizeBytes: 4 * extent, parameters });
  const most = 4 + (await room(parameters));
  const expand = (extents: number) => () =>
    world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: extents * extent } });
  const beyond: BadCall = [
    "beyond",
    /would grow by \d+ bytes, but .* has room for \d+ bytes/,
    expand(most + stripes),
    "OUT_OF_RANGE",
  ];
  const wrong = await wrongAnswers([beyond]);
  const grown = await expand(most)().catch(String);
  await world.rpc.DeleteVolume({ volumeId });
  expect([wrong, grown]).toMatchObject([[], { capacityBytes: String(most * extent) }]);
});

test("only this node has room; keys of the sidecars and other topologies say nothing about it", async () => {
  const all = await room();
  const at = async (segments: Record<string, string>): Promise<number> =>
    Number((await world.rpc.GetCapacity({ accessibleTopology: { segments } })).availableCapacity) / extent;
  expect(await at({ [node]: "n1" })).toBe(all);
  expect(await at({ "topology.kubernetes.io/zone": "z" })).toBe(all);
  expect(await at({ [node]: "n2" })).toBe(0);
  expect(await at({ [node]: "" })).toBe(0);
  expect(await room({ "csi.storage.k8s.io/provisioner-secret-name": "s", "csi.storage.k8s.io/fstype": "xfs" })).toBe(
    all,
  );
  expect(await room({ volumeGroup: "other" })).toBe(0);
  const { minimumVolumeSize } = await world.rpc.GetCapacity({ volumeCapabilities: [mountCapability("xfs")] });
  expect(minimumVolumeSize?.value).toBe(String(300 * 1024 ** 2));
});

test("a volume goes where its topology wants it, or not at all", async () => {
  const requirements = { requisite: [{ segments: { [node]: "n2" } }, { segments: { [node]: "n1" } }] };
  const request = {
    name: "somewhere",
    volumeCapabilities: [mountCapability()],
    capacityRange: { requiredBytes: 4 * extent },
  };
  const { volume } = await world.rpc.CreateVolume({ ...request, accessibilityRequirements: requirements });
  expect(volume?.accessibleTopology).toEqual([{ segments: { [node]: "n1" } }]);
  await world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
  const preferred = [{ segments: { [node]: "n2" } }];
  const call = (): Promise<unknown> => world.rpc.CreateVolume({ ...request, accessibilityRequirements: { preferred } });
  expect(await wrongAnswers([["preferred", /names other nodes than n1/, call, "RESOURCE_EXHAUSTED"]])).toEqual([]);
});

test("volumes that are asked for at the same time get all the room, and each its own", async () => {
  const parameters = { layout: "striped" };
  const answers = await Promise.allSettled([1, 2, 3, 4].map(() => make(30, parameters)));
  const ids = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  for (const volumeId of ids) await world.rpc.DeleteVolume({ volumeId });
  // 60, 41, 25 -> 45, 26, 25 -> 30, 11, 25 -> 15, 11, 10
  expect(ids).toHaveLength(3);
});
