import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { readFile, readdir } from "node:fs/promises";
import type { VolumeGroup } from "../../src/lvm/volume-group.ts";
import { type Lab, lockDirectory, openLab } from "./lvm-lab.ts";
import { until } from "./process-support.ts";

let lab: Lab;
let group: VolumeGroup;
const names: string[] = [];

beforeAll(async () => {
  lab = await openLab();
});

afterAll(() => lab.close());

afterEach(async () => {
  await group.close();
  for (const name of names.splice(0)) await lab.foreign(`vgremove --force --force --yes ${name}`);
});

async function makeGroup(name: string, disks: readonly string[]): Promise<void> {
  await lab.foreign(`vgcreate --yes ${name} ${disks.join(" ")}`);
  names.push(name);
  group = lab.group(name);
}

const one = { extents: 1, stripes: 1, tags: [] } as const;

test("a missing disk: the rest stays readable, nothing is changed, and its return is noticed", async () => {
  const disks = [lab.attach(), lab.attach()];
  await makeGroup("labmiss", disks);
  const [first, second] = (await group.read()).physicalVolumes.map((volume) => volume.uuid);
  await group.create(() => ({ ...one, name: "stays", physicalVolumes: [first ?? ""] }));
  await group.create(() => ({ ...one, name: "goes", physicalVolumes: [second ?? ""] }));
  await lab.foreign("lvchange -an labmiss/goes");
  const before = (await group.read()).sequenceNumber;
  const file = lab.detach(disks[1] ?? "");
  const state = await group.read();
  expect(state.physicalVolumes.map((volume) => volume.device !== undefined)).toEqual([true, false]);
  expect(state.logicalVolumes.get("stays")?.extentCount).toBe(1);
  const refused = { name: "LvmError", kind: "physicalVolumeMissing" };
  await expect(group.create(() => ({ ...one, name: "new" }))).rejects.toMatchObject(refused);
  await expect(group.changeTags("stays", { add: ["x"], remove: [] })).rejects.toMatchObject(refused);
  await expect(group.remove("stays")).rejects.toMatchObject(refused);
  await expect(group.confirmAbsent("absent")).rejects.toMatchObject(refused);
  await expect(group.activate("goes")).rejects.toMatchObject(refused);
  await group.activate("stays");
  expect((await group.read()).sequenceNumber).toBe(before);
  lab.attach();
  const back = lab.reattach(file);
  expect(back).not.toBe(disks[1]);
  await group.activate("goes");
  await group.create(() => ({ ...one, name: "new" }));
  const after = await group.read();
  expect(after.physicalVolumes.map((volume) => `/dev/${volume.device?.name}`)).toEqual([disks[0], back]);
});

test("a group that is gone, and comes back", async () => {
  const disk = lab.attach();
  await makeGroup("labgone", [disk]);
  await group.create(() => ({ ...one, name: "a" }));
  await lab.foreign("vgchange -an labgone");
  const file = lab.detach(disk);
  await expect(group.read()).rejects.toMatchObject({ kind: "groupMissing" });
  await expect(group.remove("a")).rejects.toMatchObject({ kind: "groupMissing" });
  await expect(group.confirmAbsent("a")).rejects.toMatchObject({ kind: "groupMissing" });
  lab.reattach(file);
  await group.activate("a");
  expect((await group.read()).logicalVolumes.has("a")).toBe(true);
});

test("two groups of one name, and two copies of one disk, are ambiguous", async () => {
  const [disk, other] = [lab.attach(), lab.attach()];
  await makeGroup("labtwin", [disk]);
  await group.create(() => ({ ...one, name: "a" }));
  await lab.foreign("vgchange -an labtwin");
  const only = ["--config", `devices/global_filter=["a|^${other}$|","r|.*|"]`];
  lab.run("vgcreate", "--yes", ...only, "labtwin", other);
  await group.close();
  group = lab.group("labtwin");
  await expect(group.read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
  await expect(group.create(() => ({ ...one, name: "b" }))).rejects.toMatchObject({ kind: "groupAmbiguous" });
  lab.run("dd", `if=${disk}`, `of=${other}`, "bs=1M", "count=4", "conv=fsync");
  await pause(1100);
  await expect(group.read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
  lab.run("dd", "if=/dev/zero", `of=${other}`, "bs=1M", "count=4", "conv=fsync");
  await group.create(() => ({ ...one, name: "b" }));
});

test("a damaged text on every disk is no missing group", async () => {
  const disk = lab.attach();
  await makeGroup("labbad", [disk]);
  await group.create(() => ({ ...one, name: "a" }));
  await lab.foreign("vgchange -an labbad");
  const state = await group.read();
  const replace = (text: string, other: string): string =>
    lab.run(
      "bash",
      "-c",
      `dd if=${disk} bs=1M count=1 status=none | sed 's/${text}/${other}/' | dd of=${disk} conv=fsync`,
    );
  replace("extent_size", "extent_sizE");
  await expect(group.read()).resolves.toMatchObject({ sequenceNumber: state.sequenceNumber });
  await expect(lab.group("labbad").read()).rejects.toMatchObject({ kind: "groupUnreadable" });
  replace("extent_sizE", "extent_size");
  expect((await lab.group("labbad").read()).logicalVolumes.has("a")).toBe(true);
});

test("a lock held by another is waited for", async () => {
  await makeGroup("lablock", [lab.attach()]);
  const holder = spawn("flock", [`${lockDirectory}/V_lablock`, "-c", "echo held; read line"]);
  await once(holder.stdout, "data");
  let isMade = false;
  const creation = group.create(() => ({ ...one, name: "waits" })).then(() => (isMade = true));
  await pause(1000);
  expect((await group.read()).logicalVolumes.size).toBe(0);
  expect(isMade).toBe(false);
  holder.stdin.end();
  await creation;
  expect((await group.read()).logicalVolumes.has("waits")).toBe(true);
});

test("a disk that joins the group while a command waits for the lock is not left marked as missing", async () => {
  const [disk, joining] = [lab.attach(), lab.attach()];
  await makeGroup("labjoin", [disk]);
  await group.create(() => ({ ...one, name: "a" }));
  const holder = spawn("flock", [`${lockDirectory}/V_labjoin`, "-c", "echo held; read line"]);
  await once(holder.stdout, "data");
  const before = lab.sent.length;
  const change = group.changeTags("a", { add: ["x"], remove: [] });
  await until("the command is sent", async () => lab.sent.length > before);
  lab.run("vgextend", "--yes", "--nolocking", "labjoin", joining);
  holder.stdin.end();
  await change;
  const state = await group.read();
  expect(state.physicalVolumes.map((volume) => `/dev/${volume.device?.name}`)).toEqual([disk, joining]);
  expect(state.logicalVolumes.get("a")?.tags).toEqual(["x"]);
  expect(lab.sent.slice(before)).toContain(`vgextend --yes --restoremissing labjoin ${joining}`);
  await group.create(() => ({ ...one, name: "b", physicalVolumes: [state.physicalVolumes[1]?.uuid ?? ""] }));
});

test("the outcome of a command is unknown when its process is killed, and the next command works", async () => {
  await makeGroup("labkill", [lab.attach()]);
  await group.create(() => ({ ...one, name: "a" }));
  const before = lab.processes.length;
  const holder = spawn("flock", [`${lockDirectory}/V_labkill`, "-c", "echo held; read line"]);
  await once(holder.stdout, "data");
  const sent = lab.sent.length;
  const creation = group.create(() => ({ ...one, name: "b" }));
  // a creation that has not begun would let the removal go first
  await until("the command is sent", async () => lab.sent.length > sent);
  const removal = group.remove("a");
  await killLvmOf("labkill");
  await expect(creation).rejects.toMatchObject({ name: "LvmError", kind: "outcomeUnknown" });
  holder.stdin.end();
  await removal;
  expect(lab.processes.length).toBeGreaterThan(before);
  expect((await group.read()).logicalVolumes.has("a")).toBe(false);
  await group.create(() => ({ ...one, name: "c" }));
});

test("a process that died between commands is replaced without harm", async () => {
  await makeGroup("labidle", [lab.attach()]);
  await group.create(() => ({ ...one, name: "a" }));
  await killLvmOf("labidle");
  await lab.processes.at(-1)?.exited;
  await group.create(() => ({ ...one, name: "b" }));
  expect([...(await group.read()).logicalVolumes.keys()].toSorted()).toEqual(["a", "b"]);
});

test("a full metadata area", async () => {
  await makeGroup("labfull", [lab.attach()]);
  const tag = "x".repeat(1000);
  const tags = Array.from({ length: 20 }, (_, index) => `${index}${tag}`);
  let made = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await group.create(() => ({ ...one, name: `v${made}`, tags }));
      made += 1;
    }
  };
  await expect(fill()).rejects.toMatchObject({ kind: "metadataFull" });
  const { metadata, logicalVolumes } = await group.read();
  expect(logicalVolumes.size).toBe(made);
  expect(metadata.usedBytes).toBeLessThanOrEqual(metadata.capacityBytes);
  expect(metadata.usedBytes).toBeGreaterThan(metadata.capacityBytes - 25_000);
  await group.remove("v0");
});

/** Kills the last of the lvm processes that this test has started and that see a disk of the group. */
async function killLvmOf(name: string): Promise<void> {
  const [disk] = (await group.read()).physicalVolumes.map((volume) => volume.device?.name);
  for (const pid of await readdir("/proc")) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    const system = /LVM_SYSTEM_DIR=([^\0]+)/.exec(environment)?.[1];
    const command = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (command !== "lvm\n" || system === undefined) continue;
    const configuration = await readFile(`${system}/lvm.conf`, "utf8").catch(() => "");
    if (!configuration.includes(`"a|^/dev/${disk}$|"`)) continue;
    process.kill(Number(pid), "SIGKILL");
    return;
  }
  throw new Error(`no lvm of ${name} found`);
}
