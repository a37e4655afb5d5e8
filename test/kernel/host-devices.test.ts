import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BlockDevice, WritableDevice } from "../../src/host/host.ts";
import { type HostLab, MEBIBYTE, openHostLab, refusal, required, run } from "./host-lab.ts";

jest.setTimeout(120_000);

const SIZE = 8 * MEBIBYTE;
/** Where LVM puts the first extent of a physical volume. */
const FIRST_EXTENT = MEBIBYTE;

let lab: HostLab;
let device: BlockDevice;

beforeAll(async () => {
  lab = await openHostLab("hostdev");
  run("lvcreate", "--yes", "--wipesignatures", "n", "--zero", "n", "--name", "my-lv", "--size", `${SIZE}b`, lab.group);
  device = await lab.volume("my--lv");
});

afterAll(() => lab.close());

async function exclusively(work: (open: WritableDevice) => Promise<void>): Promise<void> {
  const open = await lab.host.devices.openExclusive(device);
  try {
    await work(open);
  } finally {
    await open.close();
  }
}

const fill = (byte: number, ...exceptions: readonly number[]): void => {
  const image = join(lab.kubelet, "pattern");
  const content = Buffer.alloc(SIZE, byte);
  for (const position of exceptions) content[position] = byte + 1;
  writeFileSync(image, content);
  run("dd", `if=${image}`, `of=/dev/${device.name}`, "bs=1M", "conv=fsync", "status=none");
};

const byteAt = async (...offsets: readonly number[]): Promise<number[]> => {
  const read = await lab.host.devices.read(
    device,
    offsets.map((offset) => ({ offset, length: 1 })),
  );
  return read.map((bytes) => required(bytes[0]));
};

test("sysfs tells of a logical volume by name, by number and in the list", async () => {
  const { devices } = lab.host;
  expect(device).toMatchObject({ sizeBytes: SIZE, holders: [], mapping: { name: "hostdev-my--lv", suspended: false } });
  expect(device.mapping?.uuid).toMatch(/^LVM-[A-Za-z0-9]{64}$/);
  expect(await devices.findNumber(device.number)).toEqual(device);
  const all = await devices.list();
  expect(all).toContainEqual(device);
  expect(all.find(({ name }) => `/dev/${name}` === lab.disk)).toMatchObject({
    holders: [device.name],
    mapping: undefined,
  });
});

test("a mapping is found at the first call after its activation or renaming, however often it was missed", async () => {
  const { devices } = lab.host;
  const named = async (name: string): Promise<string | undefined> => (await devices.findMapping(name))?.mapping?.name;
  run("lvcreate", "--activate", "n", "--zero", "n", "--name", "late", "--size", "4m", lab.group);
  for (let round = 0; round < 3; round += 1) {
    expect(await named("hostdev-late")).toBeUndefined();
    run("lvchange", "--activate", "y", `${lab.group}/late`);
    expect(await named("hostdev-late")).toBe("hostdev-late");
    expect(await named("hostdev-later")).toBeUndefined();
    run("lvrename", lab.group, "late", "later");
    expect([await named("hostdev-late"), await named("hostdev-later")]).toEqual([undefined, "hostdev-later"]);
    run("lvrename", lab.group, "later", "late");
    expect(await named("hostdev-late")).toBe("hostdev-late");
    run("lvchange", "--activate", "n", `${lab.group}/late`);
  }
  run("lvremove", "--yes", `${lab.group}/late`);
});

test("a loop device tells its file, another device has none", async () => {
  const all = await lab.host.devices.list();
  expect(all.find(({ name }) => `/dev/${name}` === lab.disk)?.backingFile).toBe(join(lab.kubelet, "../disk"));
  expect(device.backingFile).toBeUndefined();
});

test("a device that is held cannot be deactivated, until it is let go", async () => {
  const { devices } = lab.host;
  const held = await devices.hold(device);
  expect(() => run("lvchange", "--activate", "n", `${lab.group}/my-lv`)).toThrow(/in use/);
  await exclusively(async () => {});
  await Promise.all([held.close(), held.close()]);
  run("lvchange", "--activate", "n", `${lab.group}/my-lv`);
  await expect(devices.hold(device)).rejects.toMatchObject(refusal("ENOENT"));
  run("lvchange", "--activate", "y", `${lab.group}/my-lv`);
  device = await lab.volume("my--lv");
});

test("a device is opened exclusively once, and not while it is mounted", async () => {
  const { devices, mounts } = lab.host;
  const target = join(lab.kubelet, "exclusive");
  mkdirSync(target);
  run("mkfs.ext4", "-q", "-F", `/dev/${device.name}`);
  const mount = { device, type: "ext4", flags: [], data: "", target };
  await exclusively(async () => {
    await expect(devices.openExclusive(device)).rejects.toMatchObject(refusal("EBUSY"));
    await expect(mounts.mount(mount)).rejects.toMatchObject(refusal("EBUSY"));
  });
  await mounts.mount(mount);
  await expect(devices.openExclusive(device)).rejects.toMatchObject(refusal("EBUSY"));
  const shared = await devices.openShared(device);
  await shared.close();
  await mounts.unmount(target);
  await exclusively(async () => {});
});

test("zero, discard and scramble change their range and nothing else", async () => {
  fill(0xaa);
  const length = MEBIBYTE;
  await exclusively(async (open) => {
    await open.zero({ offset: MEBIBYTE, length });
    await open.discard({ offset: 3 * MEBIBYTE, length });
    await open.scramble({ offset: 5 * MEBIBYTE, length: length + 512 });
    await open.flush();
    const [zeroed, scrambled] = await open.read([
      { offset: MEBIBYTE, length },
      { offset: 5 * MEBIBYTE, length },
    ]);
    expect(required(zeroed).every((byte) => byte === 0)).toBe(true);
    expect(new Set(required(scrambled)).size).toBe(256);
  });
  const edges = [1, 2, 3, 4].map((count) => count * MEBIBYTE);
  expect(await byteAt(...edges.map((edge) => (edge % (2 * MEBIBYTE) === 0 ? edge : edge - 1)))).toEqual(
    edges.map(() => 0xaa),
  );
  expect(await byteAt(5 * MEBIBYTE - 1, 6 * MEBIBYTE + 512, SIZE - 1)).toEqual([0xaa, 0xaa, 0xaa]);
  expect(await byteAt(3 * MEBIBYTE, 4 * MEBIBYTE - 1)).toEqual([0, 0]);
});

test("one byte that is not zero is found wherever it is in the ranges", async () => {
  const [start, end] = [MEBIBYTE - 512, 2 * MEBIBYTE + 512];
  const ranges = [
    { offset: start, length: end - start },
    { offset: SIZE - 512, length: 512 },
  ];
  for (const position of [start, start + 64 * 1024, end - 1, SIZE - 1]) {
    fill(0, position);
    await exclusively(async (open) => expect(await open.holdsZeroes(ranges)).toBe(false));
  }
  fill(0, start - 1, end, SIZE - 513);
  await exclusively(async (open) => expect(await open.holdsZeroes(ranges)).toBe(true));
});

test("what a step cannot do is refused", async () => {
  await exclusively(async (open) => {
    await expect(open.zero({ offset: 0, length: 100 })).rejects.toMatchObject(refusal("EINVAL"));
    await expect(open.read([{ offset: SIZE - 512, length: 513 }])).rejects.toMatchObject(refusal("ENODATA"));
    await expect(open.holdsZeroes([{ offset: SIZE - 512, length: 513 }])).rejects.toMatchObject(refusal("ENODATA"));
    expect(() => open.zero({ offset: 0, length: 256 * MEBIBYTE + 512 })).toThrow(RangeError);
    expect(() => open.scramble({ offset: 0, length: 64 * MEBIBYTE + 512 })).toThrow(RangeError);
  });
});

test("a closed device is not used again, though its descriptor may be somebody else's", async () => {
  const open = await lab.host.devices.openExclusive(device);
  const last = open.flush();
  await Promise.all([last, open.close(), open.close()]);
  await expect(open.zero({ offset: 0, length: 512 })).rejects.toMatchObject(refusal("EBADF"));
});

test("a read sees what was written behind the page cache's back", async () => {
  fill(0xaa);
  await lab.host.devices.flush(device);
  expect(await byteAt(512)).toEqual([0xaa]);
  const sector = join(lab.kubelet, "sector");
  writeFileSync(sector, Buffer.alloc(512, 0x55));
  const seek = String((FIRST_EXTENT + 512) / 512);
  run("dd", `if=${sector}`, `of=${lab.disk}`, "bs=512", `seek=${seek}`, "oflag=direct", "conv=notrunc", "status=none");
  expect(await byteAt(512, 0, 1024)).toEqual([0x55, 0xaa, 0xaa]);
});

test("a suspended device is not opened: whoever reads it hangs", async () => {
  run("dmsetup", "suspend", "hostdev-my--lv");
  try {
    expect(await lab.volume("my--lv")).toMatchObject({ mapping: { suspended: true } });
    await expect(byteAt(0)).rejects.toMatchObject(refusal("EAGAIN"));
    await expect(lab.host.devices.flush(device)).rejects.toMatchObject(refusal("EAGAIN"));
    await expect(lab.host.devices.openExclusive(device)).rejects.toMatchObject(refusal("EAGAIN"));
    await expect(lab.host.devices.hold(device)).rejects.toMatchObject(refusal("EAGAIN"));
  } finally {
    run("dmsetup", "resume", "hostdev-my--lv");
  }
  expect(await byteAt(0)).toHaveLength(1);
});

test("a device that took over the number of another is ESTALE to all calls", async () => {
  const { devices, mounts } = lab.host;
  const target = join(lab.kubelet, "stale");
  mkdirSync(target);
  const table = `0 2048 linear ${lab.disk} ${FIRST_EXTENT / 512}`;
  run("dmsetup", "create", "hostdev-first", "--uuid", "TEST-first", "--table", table);
  const first = await lab.volume("first");
  const [major = "", minor = ""] = first.number.split(":");
  run("dmsetup", "remove", "hostdev-first");
  await expect(devices.openExclusive(first)).rejects.toMatchObject(refusal("ENOENT"));
  run(
    "dmsetup",
    "create",
    "hostdev-second",
    "--uuid",
    "TEST-second",
    "--major",
    major,
    "--minor",
    minor,
    "--table",
    table,
  );
  try {
    expect(await devices.findNumber(first.number)).toMatchObject({
      name: first.name,
      mapping: { uuid: "TEST-second" },
    });
    const calls = [
      devices.read(first, [{ offset: 0, length: 512 }]),
      devices.flush(first),
      devices.openExclusive(first),
      devices.openShared(first),
      devices.hold(first),
      mounts.mount({ device: first, type: "ext4", flags: [], data: "", target }),
      mounts.bind({ source: { device: first }, target, flags: [] }),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes).toEqual(
      calls.map(() => ({ status: "rejected", reason: expect.objectContaining(refusal("ESTALE")) })),
    );
  } finally {
    run("dmsetup", "remove", "hostdev-second");
  }
});

test("a node that stands for another device is ESTALE", async () => {
  const mistaken = { ...device, number: "7:200" };
  await expect(lab.host.devices.read(mistaken, [])).rejects.toMatchObject(refusal("ESTALE"));
});
