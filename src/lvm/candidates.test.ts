import { expect, test } from "@jest/globals";
import type { BlockDevice } from "../host/host.ts";
import { candidateDevices, signatureOf } from "./candidates.ts";

function device(name: string, more: Partial<BlockDevice> = {}): BlockDevice {
  return { name, number: "8:0", sizeBytes: 1024 ** 3, holders: [], mapping: undefined, ...more };
}

function mapped(name: string, uuid: string, more: Partial<BlockDevice> = {}): BlockDevice {
  return device(name, { mapping: { name: `m-${name}`, uuid, suspended: false }, ...more });
}

function namesOf(...devices: readonly BlockDevice[]): readonly string[] {
  return candidateDevices(devices, "/var/lib/kubelet").map((one) => one.name);
}

test("disks, partitions, loop devices and maps can carry a physical volume", () => {
  const names = ["sda", "sda1", "nvme0n1", "nvme0n1p2", "loop0", "md0", "vdb", "cciss!c0d0"];
  expect(namesOf(...names.map((name) => device(name)), mapped("dm-0", "mpath-3600"))).toEqual([...names, "dm-0"]);
});

test("memory, floppy and optical disks and empty devices cannot", () => {
  expect(
    namesOf(device("ram0"), device("zram0"), device("fd0"), device("sr0"), device("nbd0", { sizeBytes: 0 })),
  ).toEqual([]);
});

test("logical volumes and partitions of them never do", () => {
  expect(namesOf(mapped("dm-0", "LVM-abc"), mapped("dm-1", "part1-LVM-abc"), mapped("dm-2", "LVM-abc-tmeta"))).toEqual(
    [],
  );
});

test("what is stacked on a logical volume never does, however far up, nor do its partitions", () => {
  expect(
    namesOf(
      mapped("dm-0", "LVM-abc", { holders: ["dm-1", "md7"] }),
      mapped("dm-1", "CRYPT-LUKS2-1", { holders: ["drbd0"] }),
      device("md7", { holders: ["dm-2"] }),
      device("md7p1"),
      mapped("dm-2", "mpath-1"),
      device("drbd0"),
      device("drbd0p3"),
      device("sda", { holders: ["dm-3"] }),
      mapped("dm-3", "CRYPT-LUKS2-2"),
    ),
  ).toEqual(["dm-3"]);
});

test.each([
  ["/dev/dm-0", false],
  ["/dev/mapper/vg0-a (deleted)", false],
  ["/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/v/dev/u", false],
  ["/var/lib/kubelet/pods/u/volumes/x/mount/disk.img (deleted)", false],
  ["/var/lib/kubelet-images/disk.img", true],
  ["/tmp/x.img", true],
  ["/run/x.img (deleted)", true],
])("a loop device over %s: %p", (backingFile, isCandidate) => {
  const loop = device("loop0", { backingFile, holders: ["dm-7"] });
  expect(namesOf(loop, device("loop0p1"), mapped("dm-7", "LVM-abc"))).toEqual(isCandidate ? ["loop0", "loop0p1"] : []);
});

test("a disk in use by logical volumes does", () => {
  expect(namesOf(device("sda", { holders: ["dm-0"] }), mapped("dm-0", "LVM-abc"))).toEqual(["sda"]);
});

test("the lower devices of a stack do not, nor do their partitions", () => {
  expect(
    namesOf(
      device("sda", { holders: ["dm-0"] }),
      device("sda1"),
      device("nvme0n1", { holders: ["dm-0"] }),
      device("nvme0n1p1"),
      mapped("dm-0", "mpath-3600"),
      device("sdb", { holders: ["md0"] }),
      device("md0", { holders: ["dm-1"] }),
      mapped("dm-1", "CRYPT-LUKS2-1"),
    ),
  ).toEqual(["dm-0", "dm-1"]);
});

test("the signature shows a change of the set, not of its order", () => {
  const [a, b] = [device("sda"), device("sdb")];
  expect(signatureOf([a, b])).toBe(signatureOf([b, a]));
  expect(signatureOf([a])).not.toBe(signatureOf([a, b]));
  expect(signatureOf([{ ...a, number: "8:16" }])).not.toBe(signatureOf([a]));
});
