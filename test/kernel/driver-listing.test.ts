import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { createVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, logicalVolumeOf, logicalVolumes, openWorld, shell } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

async function page(maxEntries: number, startingToken = ""): Promise<{ ids: readonly string[]; next: string }> {
  const { entries, nextToken } = await world.rpc.ListVolumes({ maxEntries, startingToken });
  return { ids: entries.map(({ volume }) => volume?.volumeId ?? ""), next: nextToken };
}

/** All pages, one after the other, with something done between them. */
async function pages(
  maxEntries: number,
  between: (number: number) => Promise<unknown> = async () => undefined,
): Promise<readonly string[]> {
  const all: string[] = [];
  let token = "";
  for (let number = 1; ; number += 1) {
    const { ids, next } = await page(maxEntries, token);
    expect(ids.length).toBeLessThanOrEqual(maxEntries === 0 ? Infinity : maxEntries);
    all.push(...ids);
    if (next === "") return all;
    expect(ids).toHaveLength(maxEntries);
    token = next;
    await between(number);
  }
}

async function makeMany(count: number): Promise<readonly string[]> {
  const made = await Promise.all(Array.from({ length: count }, () => createVolume(world, { sizeBytes: 16 * MiB })));
  return made.toSorted();
}

async function removeAll(ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((volumeId) => world.rpc.DeleteVolume({ volumeId })));
}

test("pages of every size hold each volume once, in one order", async () => {
  expect(await page(0)).toEqual({ ids: [], next: "" });
  expect(await page(5)).toEqual({ ids: [], next: "" });
  const ids = await makeMany(6);
  for (let size = 0; size <= 7; size += 1) expect(await pages(size)).toEqual(ids);
  const { entries } = await world.rpc.ListVolumes({ maxEntries: 1 });
  expect(entries).toMatchObject([
    {
      volume: {
        volumeId: ids[0],
        capacityBytes: String(16 * MiB),
        accessibleTopology: [{ segments: { "topology.lvm.local.csi/node": "n1" } }],
      },
      status: { volumeCondition: { abnormal: false } },
    },
  ]);
  await removeAll(ids);
});

test("volumes made and removed between two pages neither hide nor repeat another", async () => {
  const ids = await makeMany(6);
  const made: string[] = [];
  const listed = await pages(2, async (number) => {
    if (number === 1) await removeAll([ids[0] ?? "", ids[1] ?? "", ids[2] ?? ""]);
    made.push(await createVolume(world, { sizeBytes: 16 * MiB }));
  });
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed).toEqual([...listed].toSorted());
  expect(listed.filter((id) => ids.includes(id))).toEqual([0, 1, 3, 4, 5].map((index) => ids[index]));
  const { next } = await page(1);
  const rest = [...ids.slice(3), ...made];
  await removeAll(rest);
  expect(await page(1, next)).toEqual({ ids: [], next: "" });
  const reused: BadCall = ["token", /starting_token/, () => page(1, `${next}x`), "ABORTED"];
  expect(await wrongAnswers([reused])).toEqual([]);
});

test("what is not a volume that CreateVolume has answered for is not listed", async () => {
  const volumeId = await createVolume(world, { sizeBytes: 16 * MiB });
  const name = logicalVolumeOf(volumeId);
  const strangers: readonly (readonly [string, readonly string[]])[] = [
    ["foreign", []],
    ["pvc-00000000-0000-0000-0000-000000000001", ["team=x"]],
    [`grow-${name}`, ["lvm.local.csi/state=growing", "lvm.local.csi/fs=block"]],
    ["csi-00000000000000000000000000000001", ["lvm.local.csi/state=creating", "lvm.local.csi/fs=ext4"]],
  ];
  for (const [stranger, tags] of strangers) await allocate(stranger, tags);
  expect(await pages(0)).toEqual([volumeId]);
  expect(await pages(1)).toEqual([volumeId]);
  for (const [stranger] of strangers) await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${stranger}`);
  await removeAll([volumeId]);
});

function allocate(name: string, tags: readonly string[]): Promise<string> {
  const words = tags.flatMap((tag) => ["--addtag", tag]);
  return shell("lvcreate", "--quiet", "-Wn", "-Zn", "-l", "1", ...words, "-n", name, world.volumeGroup);
}

test("one volume whose tags somebody has spoilt does not hide the others", async () => {
  const ids = await makeMany(2);
  const spoilt = "pvc-00000000-0000-0000-0000-000000000002";
  await allocate(spoilt, ["lvm.local.csi/state=nonsense", "lvm.local.csi/fs=ext4"]);
  const listed = await pages(0).catch(String);
  const get = (): Promise<unknown> => world.rpc.ControllerGetVolume({ volumeId: `n1/${world.volumeGroup}/${spoilt}` });
  const wrong = await wrongAnswers([["get", /no sensible tag lvm.local.csi\/state/, get, "INTERNAL"]]);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${spoilt}`);
  await removeAll(ids);
  expect([wrong, listed]).toEqual([[], expect.arrayContaining([...ids])]);
});

test("a stranger with the name of a volume's scratch volume is never removed", async () => {
  const volumeId = await createVolume(world, { capability: blockCapability(), sizeBytes: 16 * MiB });
  const scratch = `grow-${logicalVolumeOf(volumeId)}`;
  const survives = async (what: string): Promise<string | undefined> => {
    if ((await logicalVolumes(world)).includes(scratch)) return undefined;
    await allocate(scratch, ["team=x"]);
    return `${what} removed it`;
  };
  await allocate(scratch, ["team=x"]);
  const expand = (): Promise<unknown> =>
    world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 64 * MiB } });
  const wrong: unknown[] = [
    ...(await wrongAnswers([["expand", /is not the driver's/, expand, "FAILED_PRECONDITION"]])),
  ];
  wrong.push(await survives("expansion"));
  await world.driver().stop();
  await world.start();
  // what an earlier run left is looked at behind the first answers
  await sleep(2000);
  wrong.push(await survives("a new start"));
  await world.rpc.DeleteVolume({ volumeId });
  wrong.push(await survives("deletion"));
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${scratch}`);
  expect(wrong).toEqual([undefined, undefined, undefined]);
});
