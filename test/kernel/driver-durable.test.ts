import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type FaultyDisk, makeFaultyDisk } from "./faulty-disk.ts";
import { stagedVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, claimName, mountsAt, openWorld } from "./world.ts";

// Metadata that a killed run may have committed without making them durable: nothing is promised that rests on them.

let world: World;
let disk: FaultyDisk;

beforeAll(async () => {
  disk = await makeFaultyDisk(0, 300 * MiB);
  world = await openWorld([disk.path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

test("what a killed run has left is not answered with OK before it is durable", async () => {
  const creation = {
    name: claimName(),
    capacityRange: { requiredBytes: 32 * MiB },
    volumeCapabilities: [blockCapability()],
  };
  const volumeId = (await world.rpc.CreateVolume(creation)).volume?.volumeId ?? "";
  const formatted = await stagedVolume(world);
  await world.rpc.NodeUnstageVolume(formatted);
  const rawBlock = { ...formatted, volumeId, volumeCapability: blockCapability() };
  const calls = [
    () => world.rpc.CreateVolume(creation),
    () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange: creation.capacityRange }),
    () => world.rpc.NodeStageVolume(rawBlock),
    () => world.rpc.NodeStageVolume(formatted),
  ];
  await world.driver().kill();
  await disk.strike("readable");
  await world.start();
  for (const call of calls) {
    const message = expect.stringContaining("could not be made durable");
    await expect(call()).rejects.toMatchObject({ code: "UNAVAILABLE", message });
  }
  expect(await mountsAt(formatted.stagingTargetPath)).toEqual([]);
  await disk.heal();
  for (const call of calls) await call();
  expect(await mountsAt(formatted.stagingTargetPath)).toHaveLength(1);
  for (const staged of [formatted, rawBlock]) {
    await world.rpc.NodeUnstageVolume(staged);
    await world.rpc.DeleteVolume(staged);
  }
});
