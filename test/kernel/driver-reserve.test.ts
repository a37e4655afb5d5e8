import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { createVolume } from "./volume-support.ts";
import { type World, openWorld, shell } from "./world.ts";

let world: World;

const extent = 4 * 1024 ** 2;
/** Extents that a stranger leaves. */
const left = 120;

beforeAll(async () => {
  world = await openWorld(1, ["--reserve=200000001"]);
  const extents = Number(await shell("vgs", "--noheadings", "-o", "vg_free_count", world.volumeGroup));
  const words = ["--quiet", "-Wn", "-Zn", "-l", String(extents - left), "-n", "foreign"];
  await shell("lvcreate", ...words, world.volumeGroup);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

function make(extents: number): Promise<string> {
  return createVolume(world, { sizeBytes: extents * extent });
}

/** Finds that all but these extents can be had, not one more, and that many calls at once cannot have more either. */
async function expectKept(kept: number): Promise<void> {
  const free = left - kept;
  expect(await world.rpc.GetCapacity({})).toMatchObject({ availableCapacity: String(free * extent) });
  const beyond = new RegExp(`has room for ${free * extent} bytes .${kept * extent} bytes are reserved`);
  const larger: BadCall = ["larger", beyond, () => make(free + 1), "RESOURCE_EXHAUSTED"];
  expect(await wrongAnswers([larger])).toEqual([]);
  await world.rpc.DeleteVolume({ volumeId: await make(free) });

  const answers = await Promise.allSettled([1, 2, 3, 4, 5].map(() => make(Math.floor(free / 3))));
  const ids = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const grow = { volumeId: ids[0] ?? "", capacityRange: { requiredBytes: (Math.floor(free / 3) + 3) * extent } };
  const growth: BadCall = ["grow", /bytes are reserved/, () => world.rpc.ControllerExpandVolume(grow), "OUT_OF_RANGE"];
  const wrong = await wrongAnswers([growth]);
  for (const volumeId of ids) await world.rpc.DeleteVolume({ volumeId });
  expect(wrong).toEqual([]);
  expect(ids).toHaveLength(3);
}

test("--reserve in bytes is kept free by new and by growing volumes, also by many at once", async () => {
  await expectKept(Math.ceil(200_000_001 / extent));
});

test("--reserve in percent likewise", async () => {
  await world.driver().stop();
  await world.start(["--reserve=5%"]);
  const total = Number(await shell("vgs", "--noheadings", "-o", "vg_extent_count", world.volumeGroup));
  await expectKept(Math.ceil(total * 0.05));
});
