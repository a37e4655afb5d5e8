import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { CallError } from "../lab/csi-client.ts";
import { dmsetup, makeSmallDisk } from "./device-support.ts";
import { hangDevice } from "./device-tables.ts";
import { outcomeOf, persist, until } from "./process-support.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import {
  type Published,
  type TwoGroups,
  creation,
  discardPublished,
  expectChanges,
  expectGroupWorks,
  expectUsable,
  openTwoGroups,
  publishedVolume,
} from "./two-groups.ts";
import { MiB, type World, claimName, logicalVolumeOf, logicalVolumes, shell } from "./world.ts";

let groups: TwoGroups;
let world: World;
/** A volume in the group that comes to grief, and one in the other; both stay through all of it. */
let [hit, well]: readonly (Published | undefined)[] = [];

beforeAll(async () => {
  groups = await openTwoGroups();
  ({ world } = groups);
  hit = await publishedVolume(world, { sizeBytes: 16 * MiB });
  well = await publishedVolume(world, { sizeBytes: 16 * MiB, parameters: { volumeGroup: groups.second } });
  await writeFile(join(hit.target, "early"), "committed");
});

afterEach(async () => {
  const [volume] = both();
  await untilReadable();
  await expectUsable(world, volume);
  expect(await readFile(join(volume.target, "early"), "utf8")).toBe("committed");
  await expectChanges(world);
});

afterAll(async () => {
  for (const volume of both()) await discardPublished(world, volume);
  await groups.close();
});

function both(): readonly [Published, Published] {
  if (hit === undefined || well === undefined) throw new Error("the volumes have not been made");
  return [hit, well];
}

async function untilReadable(): Promise<void> {
  await until("the group can be read", async () => (await outcomeOf(world.rpc.ListVolumes({}))) === "OK");
}

test("two groups of one name, one of them damaged: a driver that knows its own goes on, another concludes nothing", async () => {
  const [volume, other] = both();
  const [disk] = groups.disks;
  const twin = await makeSmallDisk(2, 64 * MiB);
  const only = ["--config", `devices/global_filter=["a|^${twin.path}$|","r|.*|"]`];
  await unseen(() => shell("vgcreate", "--quiet", "--yes", ...only, world.volumeGroup, twin.path));
  try {
    await expectGroupWorks(world, world.volumeGroup);
    await world.driver().kill();
    await world.start();
    expect(await wrongAnswers(unavailable(/2 volume groups are named vg-/))).toEqual([]);
    const { volumeCondition } = await world.rpc.NodeGetVolumeStats(statisticsOf(volume));
    expect(volumeCondition).toMatchObject({ abnormal: false });
    await expectGroupWorks(world, groups.second);
    await expectUsable(world, other);
    await replaceText(disk.path, "extent_size", "extent_sizE");
    await untilTold(/carries damaged metadata of a volume group/);
  } finally {
    await shell("vgremove", "--quiet", "--force", "--yes", ...only, world.volumeGroup);
    await twin.remove();
  }
  await untilTold(/is damaged on all its devices/);
  expect(await wrongAnswers(unavailable(/is damaged on all its devices/))).toEqual([]);
  expect(await world.rpc.Probe({})).toMatchObject({ ready: { value: true } });
  await replaceText(disk.path, "extent_sizE", "extent_size");
});

/** Waits until the driver has noticed what is the matter now. */
async function untilTold(message: RegExp): Promise<void> {
  await until(`the message is ${String(message)}`, async () => message.test(await answerOf(world.rpc.ListVolumes({}))));
}

/** Does work while LVM cannot see by the directory in /dev that there is a group of that name already. */
async function unseen(work: () => Promise<unknown>): Promise<void> {
  const directory = `/dev/${world.volumeGroup}`;
  await rename(directory, `${directory}.unseen`);
  await work();
  await rename(`${directory}.unseen`, directory);
}

/** The calls about a group that cannot be read; none of them may conclude anything. */
function unavailable(message: RegExp): readonly BadCall[] {
  const [volume] = both();
  const { volumeId } = volume.staged;
  const absent = `n1/${world.volumeGroup}/${claimName()}`;
  const request = { volumeId, capacityRange: { requiredBytes: 32 * MiB } };
  return [
    ["create", message, () => world.rpc.CreateVolume(creation(world.volumeGroup)), "UNAVAILABLE"],
    ["expand", message, () => world.rpc.ControllerExpandVolume(request), "UNAVAILABLE"],
    ["delete", message, () => world.rpc.DeleteVolume({ volumeId }), "UNAVAILABLE"],
    ["delete what is not there", message, () => world.rpc.DeleteVolume({ volumeId: absent }), "UNAVAILABLE"],
    ["list", message, () => world.rpc.ListVolumes({}), "UNAVAILABLE"],
    ["capacity", message, () => world.rpc.GetCapacity({}), "UNAVAILABLE"],
    ["stage", message, () => world.rpc.NodeStageVolume(volume.staged), "UNAVAILABLE"],
    [
      "publish",
      message,
      () => world.rpc.NodePublishVolume({ ...volume.staged, targetPath: volume.target }),
      "UNAVAILABLE",
    ],
  ];
}

function statisticsOf({ staged, target }: Published) {
  return { volumeId: staged.volumeId, volumePath: target };
}

/** Replaces all of that text where LVM's metadata are. */
async function replaceText(path: string, from: string, to: string): Promise<void> {
  const device = await open(path, "r+");
  const { buffer } = await device.read(Buffer.alloc(MiB), 0, MiB, 0);
  await device.write(Buffer.from(buffer.toString("latin1").replaceAll(from, to), "latin1"), 0, MiB, 0);
  await device.sync();
  await device.close();
}

test("another holds the group's lock for 30 s: changes wait for it, and nothing else does", async () => {
  const [volume, other] = both();
  const lock = `${process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm"}/V_${world.volumeGroup}`;
  const holder = spawn("flock", [lock, "sh", "-c", "echo held; read line"]);
  await once(holder.stdout, "data");
  const held = pause(30_000, "held");
  const request = creation(world.volumeGroup);
  const volumeId = `n1/${world.volumeGroup}/${request.name}`;
  const patient = world.rpc.CreateVolume(request).then(() => "made");
  const impatient = await outcomeOf(world.rpc.CreateVolume(request, 3000));
  const removal = await outcomeOf(world.rpc.DeleteVolume({ volumeId }, 3000));
  await expectUsable(world, volume);
  await expectUsable(world, other);
  await expectGroupWorks(world, groups.second);
  await world.rpc.ListVolumes({});
  await world.rpc.GetCapacity({});
  await world.rpc.ControllerGetVolume({ volumeId: volume.staged.volumeId });
  const first = await Promise.race([patient, held]);
  holder.stdin.end();
  await patient;
  await world.rpc.DeleteVolume({ volumeId });
  expect(first).toBe("held");
  expect(["ABORTED", "DEADLINE_EXCEEDED"]).toContain(impatient);
  expect(["ABORTED", "DEADLINE_EXCEEDED"]).toContain(removal);
});

test("a physical volume that is suspended: its group is not taken for missing", async () => {
  const [, other] = both();
  await dmsetup("suspend", "--nolockfs", "--noflush", groups.disks[0].path);
  try {
    expect(await wrongAnswers(unavailable(/on no device that answers/))).toEqual([]);
    await expectUsable(world, other);
    await expectGroupWorks(world, groups.second);
  } finally {
    await dmsetup("resume", groups.disks[0].path);
  }
});

const patience = 4000;

test("a physical volume that hangs in the middle of commands: an answer in time, and the other group's do not wait", async () => {
  const [volume, other] = both();
  const { volumeId } = volume.staged;
  const requests = Array.from({ length: 3 }, () => creation(world.volumeGroup, 4 * MiB));
  const begun = requests.map((request) => answerOf(world.rpc.CreateVolume(request, patience)));
  const endHang = await hangDevice(groups.disks[0].path);
  try {
    const hanging = [
      world.rpc.DeleteVolume({ volumeId: `n1/${world.volumeGroup}/${claimName()}` }, patience),
      world.rpc.GetCapacity({}, patience),
      world.rpc.ListVolumes({}, patience),
      ...Array.from({ length: 8 }, () => world.rpc.NodeGetVolumeStats(statisticsOf(volume), patience)),
      ...Array.from({ length: 8 }, () => world.rpc.ControllerGetVolume({ volumeId }, patience)),
    ].map(answerOf);
    const working = [expectUsable(world, other), expectGroupWorks(world, groups.second)];
    const answers = await Promise.all([...begun, ...hanging]);
    expect(answers.filter((answer) => !/^(OK|ABORTED|UNAVAILABLE|DEADLINE_EXCEEDED)/.test(answer))).toEqual([]);
    await Promise.all(working);
    // Without a deadline each waits until the disk has had its time.
    expect(await wrongAnswers(unavailable(/on no device that answers/))).toEqual([]);
  } finally {
    await endHang();
  }
  await untilReadable();
  for (const { name } of requests) {
    await persist(() => world.rpc.DeleteVolume({ volumeId: `n1/${world.volumeGroup}/${name}` }));
  }
  expect(await logicalVolumes(world)).toEqual([logicalVolumeOf(volumeId)]);
});

/** The code of a call's answer with its message, which is not that of gRPC itself: the driver has answered. */
async function answerOf(call: Promise<unknown>): Promise<string> {
  const answer = await call.then(
    () => "OK",
    (error: unknown) => (error instanceof CallError ? `${error.code}: ${error.details}` : String(error)),
  );
  return answer.replace(/^DEADLINE_EXCEEDED: Deadline exceeded/, "no answer: $&");
}
