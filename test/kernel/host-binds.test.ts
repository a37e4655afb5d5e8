import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createHost } from "../../src/host/create-host.ts";
import type { BindMount, BlockDevice, MountEntry } from "../../src/host/host.ts";
import { parseKubeletPath } from "../../src/host/kubelet-path.ts";
import type { KubeletPath } from "../../src/host/kubelet-path.ts";
import { stateDirectory } from "../../src/host/state-directory.ts";
import { type HostLab, MEBIBYTE, openHostLab, required, run } from "./host-lab.ts";

let lab: HostLab;
let device: BlockDevice;
let staging: string;
let stagingId: number;

beforeAll(async () => {
  lab = await openHostLab("hostbind");
  run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "lv", "--size", `${64 * MEBIBYTE}b`, lab.group);
  device = await lab.volume("lv");
  run("mkfs.ext4", "-q", `/dev/${device.name}`);
  staging = join(lab.kubelet, "staging");
  mkdirSync(staging);
  await lab.host.mounts.mount({ device, type: "ext4", flags: ["noatime"], data: "", target: staging });
  stagingId = required((await lab.host.mounts.status(staging)).mountId);
});

afterAll(async () => {
  await lab.host.mounts.unmount(staging);
  await lab.close();
});

const at = (name: string): string => join(lab.kubelet, "pods", name);

async function mountsAt(target: string): Promise<readonly MountEntry[]> {
  return (await lab.host.mounts.table()).filter((entry) => entry.target === target);
}

type Bind = (mount: BindMount) => Promise<void>;

const bindAsNow: Bind = (mount) => lab.host.mounts.bind(mount);

function parse(path: string): KubeletPath {
  return parseKubeletPath(lab.host.mounts.kubeletDirectory, path);
}

/** As the driver does where mount_setattr(2) is missing. */
const bindAsBefore: Bind = async ({ source, target, flags }) => {
  const parsed = "path" in source ? { ...source, path: parse(source.path) } : source;
  const input = { source: parsed, target: parse(target), flags, directory: stateDirectory() };
  const jobs = new URL("../../src/host/mount-jobs.ts", import.meta.url);
  const program = `
    const { bindMount } = await import(${JSON.stringify(jobs)});
    bindMount(${JSON.stringify(input)}, () => false);
  `;
  run(process.execPath, "--input-type=module", "--eval", program);
};

const privateMounts = async (): Promise<readonly MountEntry[]> =>
  (await lab.host.mounts.table()).filter(({ target }) => target.startsWith(stateDirectory()));

test.each([
  ["now", bindAsNow],
  ["before Linux 5.12", bindAsBefore],
])("what a bind shows elsewhere has its flags, for pods live in the host's namespace: %s", async (_, bind) => {
  const target = at("propagated");
  mkdirSync(target);
  const peer = join(lab.kubelet, "peer");
  mkdirSync(peer);
  run("mount", "--bind", at(""), at(""));
  run("mount", "--make-shared", at(""));
  run("mount", "--bind", at(""), peer);
  await bind({
    source: { path: staging, mountId: stagingId },
    target,
    flags: ["ro", "nosuid", "noexec", "relatime"],
  });
  const copies = [...(await mountsAt(target)), ...(await mountsAt(join(peer, "propagated")))];
  const options = ["ro", "nosuid", "noexec", "relatime"];
  expect(copies).toMatchObject([{ options }, { options }]);
  expect(await privateMounts()).toEqual([]);
  expect(readdirSync(stateDirectory())).toEqual([]);
  expect((await mountsAt(staging))[0]?.options).toEqual(["rw", "noatime"]);
  await lab.host.mounts.unmount(target);
  expect(await mountsAt(join(peer, "propagated"))).toEqual([]);
  run("umount", peer);
  run("umount", at(""));
  rmdirSync(peer);
  await lab.host.mounts.remove(target);
});

test("a device's node is bound with flags before Linux 5.12 too, and a bind that fails leaves nothing", async () => {
  const target = at("flagged");
  const { mounts } = lab.host;
  await mounts.makeFile(target);
  await bindAsBefore({ source: { device }, target, flags: ["ro"] });
  expect(await mountsAt(target)).toMatchObject([{ options: expect.arrayContaining(["ro"]) }]);
  await mounts.unmount(target);
  const source = { path: staging, mountId: stagingId };
  await expect(bindAsBefore({ source, target, flags: ["ro"] })).rejects.toThrow("ENOTDIR");
  expect([await mountsAt(target), await privateMounts()]).toEqual([[], []]);
  expect(readdirSync(stateDirectory())).toEqual([]);
  await mounts.remove(target);
});

test("what a run leaves mounted for itself that is killed goes at the next start", async () => {
  const left = join(stateDirectory(), "bind-Ab12Cd");
  const place = join(left, "private/mount");
  mkdirSync(join(left, "private"), { recursive: true });
  run("mount", "-t", "tmpfs", "tmpfs", join(left, "private"));
  mkdirSync(place);
  run("mount", "--bind", staging, place);
  const { close } = await createHost({ kubeletDirectory: lab.kubelet });
  await close();
  expect(await privateMounts()).toEqual([]);
  expect(readdirSync(stateDirectory())).toEqual([]);
  expect(await mountsAt(staging)).toHaveLength(1);
});
