import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { VolumeGroupState } from "../../src/lvm/model.ts";
import type { VolumeGroup } from "../../src/lvm/volume-group.ts";
import { type Lab, openLab } from "./lvm-lab.ts";

let lab: Lab;
let disks: readonly string[];
let group: VolumeGroup;

beforeAll(async () => {
  lab = await openLab();
  disks = [lab.attach(), lab.attach(), lab.attach()];
});

afterAll(() => lab.close());

beforeEach(async () => {
  await lab.foreign(`vgcreate --yes labforged ${disks.slice(0, 2).join(" ")}`);
  await lab.foreign("lvcreate --yes --wipesignatures n --zero n -l 20 -n pods labforged");
  group = lab.group("labforged");
});

const forgeries: { readonly node: string; readonly loop: string }[] = [];

afterEach(async () => {
  for (const { node, loop } of forgeries.splice(0)) {
    lab.run("losetup", "--detach", loop);
    lab.run("wipefs", "--all", node);
  }
  await lab.foreign("vgremove --force --force --yes labforged");
});

test("a label that a pod has forged on its volume is never believed", async () => {
  const { state } = await forgeOn("/dev/mapper/labforged-pods");
  for (const reader of [group, lab.group("labforged")]) expect(await reader.read()).toEqual(state);
  await group.changeTags("pods", { add: ["x"], remove: [] });
  expect((await group.read()).sequenceNumber).toBe(state.sequenceNumber + 1);
});

test("nor is one on a disk of the pod's own, once the group is known", async () => {
  const { state } = await forgeOn(disks[2] ?? "");
  expect(await group.read()).toEqual(state);
  await expect(lab.group("labforged").read()).rejects.toMatchObject({
    kind: "groupAmbiguous",
    message: expect.stringMatching(/do not know each other/),
  });
  await group.changeTags("pods", { add: ["x"], remove: [] });
  expect((await group.read()).sequenceNumber).toBe(state.sequenceNumber + 1);
});

/** Makes a group of the same name and uuid on the device, and shows it as the kubelet shows a raw block volume. */
async function forgeOn(node: string): Promise<{ readonly state: VolumeGroupState }> {
  const state = await group.read();
  const only = ["--yes", "--config", `devices{scan_lvs=1 global_filter=["a|^${node}$|","r|.*|"]}`];
  lab.run("vgcreate", ...only, "labother", node);
  const file = join(tmpdir(), "labforged.backup");
  lab.run("vgcfgbackup", ...only, "--file", file, "labother");
  const text = readFileSync(file, "utf8");
  const forged = text
    .replace(/^labother \{/m, "labforged {")
    .replace(/^(\tid = ")[^"]+/m, `$1${hyphened(state.uuid)}`)
    .replace(/^\tseqno = \d+/m, "\tseqno = 9000");
  writeFileSync(file, forged);
  lab.run("vgremove", ...only, "labother");
  lab.run("vgcfgrestore", ...only, "--file", file, "labforged");
  rmSync(file);
  forgeries.push({ node, loop: lab.run("losetup", "--find", "--show", node).trim() });
  return { state };
}

function hyphened(uuid: string): string {
  return uuid.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, "$1-$2-$3-$4-$5-$6-$7");
}
