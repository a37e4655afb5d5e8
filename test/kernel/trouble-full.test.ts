import { open, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, digest, makeSmallDisk, stageRequest, type SmallDisk } from "./device-support.ts";
import { stateOf } from "./process-support.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { creation, discardPublished, expectUsable, publishedVolume } from "./two-groups.ts";
import { createVolume } from "./volume-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  devicePath,
  logicalVolumeOf,
  logicalVolumes,
  openWorld,
  shell,
} from "./world.ts";

let world: World;
let disk: SmallDisk;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 256 * MiB);
  world = await openWorld([disk.path], [], ["--physicalextentsize", "1m"]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

test("a group without a free extent: what there is goes on, and what needs room is refused with figures", async () => {
  const unused = await createFilesystem(world, "ext4", 16 * MiB);
  const raw = await createVolume(world, { sizeBytes: 4 * MiB, capability: blockCapability() });
  const used = await publishedVolume(world, { sizeBytes: 16 * MiB });
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "rest", world.volumeGroup);
  const room = /room for 0 bytes/;
  const capacityRange = { requiredBytes: 64 * MiB };
  const calls: readonly BadCall[] = [
    ["create", room, () => world.rpc.CreateVolume(creation(world.volumeGroup)), "RESOURCE_EXHAUSTED"],
    ...[unused, raw, used.staged.volumeId].map((volumeId): BadCall => {
      const expand = () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange });
      return ["expand", room, expand, "OUT_OF_RANGE"];
    }),
  ];
  expect(await wrongAnswers(calls)).toEqual([]);
  expect(await world.rpc.GetCapacity({})).toMatchObject({ availableCapacity: "0", maximumVolumeSize: { value: "0" } });
  expect(await stateOf(world, unused)).toBe("ready");
  const stage = await stageRequest(world, unused, "ext4");
  await world.rpc.NodeStageVolume(stage);
  await expectUsable(world, { staged: stage, target: "" });
  await expectUsable(world, used);
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.DeleteVolume({ volumeId: unused });
  expect(Number((await world.rpc.GetCapacity({})).availableCapacity)).toBe(16 * MiB);
  await world.rpc.DeleteVolume({ volumeId: await createFilesystem(world, "ext4", 16 * MiB) });
  await discardPublished(world, used);
  await world.rpc.DeleteVolume({ volumeId: raw });
  expect(await logicalVolumes(world)).toEqual(["rest"]);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/rest`);
});

const pieces = 100;

/** Room in so many pieces, in all of which an earlier tenant's data lie. */
async function fragment(): Promise<void> {
  const make = ["--quiet", "--yes", "-Wn", "-Zn", "-n"];
  await shell("lvcreate", ...make, "tenant", "-l", "100%FREE", world.volumeGroup);
  await fill(`/dev/${world.volumeGroup}/tenant`, "secret");
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/tenant`);
  const ranges = Array.from({ length: pieces }, (_, index) => `:${index * 2 + 20}-${index * 2 + 20}`).join("");
  await shell("lvcreate", ...make, "between", "-l", String(pieces), world.volumeGroup, `${disk.path}${ranges}`);
}

async function fill(path: string, text: string): Promise<void> {
  const device = await open(path, "r+");
  const piece = Buffer.alloc(MiB, text);
  const bytes = Number(await shell("blockdev", "--getsize64", path));
  for (let at = 0; at < bytes; at += MiB) await device.write(piece, 0, MiB, at);
  await device.sync();
  await device.close();
}

test("room in 100 pieces is one word to LVM: raw block grows over it, and never shows what lay there", async () => {
  const volumeId = await createVolume(world, { sizeBytes: 16 * MiB, capability: blockCapability() });
  await fragment();
  const free = Number((await world.rpc.GetCapacity({})).availableCapacity);
  const requiredBytes = 16 * MiB + free;
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes } });
  const segments = await shell(
    "lvs",
    "--noheadings",
    "-o",
    "seg_count",
    `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`,
  );
  expect(Number(segments)).toBeGreaterThanOrEqual(pieces);
  await writeFile("/run/zeroes", "");
  await truncate("/run/zeroes", requiredBytes);
  expect(await digest(devicePath(world, volumeId))).toBe(await digest("/run/zeroes"));
  await world.rpc.DeleteVolume({ volumeId });
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/between`);
});

test("64 volumes at once, made and removed: more names than LVM takes on a line", async () => {
  const wanted = { sizeBytes: MiB, capability: blockCapability() };
  const ids = await Promise.all(Array.from({ length: 64 }, () => createVolume(world, wanted)));
  expect((await world.rpc.ListVolumes({})).entries).toHaveLength(64);
  await Promise.all(ids.map((volumeId) => world.rpc.DeleteVolume({ volumeId })));
  expect(await logicalVolumes(world)).toEqual([]);
});
