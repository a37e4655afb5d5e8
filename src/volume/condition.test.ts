import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { SystemError } from "../errors.ts";
import type { BlockDevice, MountEntry } from "../host/host.ts";
import { diskCondition, mountsCondition } from "./condition.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

const mapping = { name: "vg0-data", uuid: "LVM-x", suspended: false };
const device: BlockDevice = { name: "dm-3", number: "254:3", sizeBytes: 2 ** 25, holders: [], mapping };

function context(checkDisk: () => Promise<void> = async () => undefined, errors = 0) {
  return { host: { devices: { checkDisk }, mounts: { ext4Errors: async () => errors } } };
}

/** A mount by the options of its own and those of the filesystem. */
function mount(options: string, superOptions: string): MountEntry {
  const place = { id: 1, number: "254:3", root: "/", target: "/staging", type: "ext4", source: "/dev/dm-3" };
  return { ...place, options: options.split(","), superOptions: superOptions.split(",") };
}

const fails = (code: string) => async (): Promise<void> => {
  throw new SystemError(code, `${code}: read`);
};

test.each([
  ["writable", [mount("rw,relatime", "rw")]],
  ["writable, with a read-only bind", [mount("rw", "rw"), mount("ro", "rw")]],
  ["staged read-only, as it was asked for", [mount("ro,relatime", "ro"), mount("ro", "ro")]],
])("a filesystem is in order that is %s", async (_, mounts) => {
  expect(await mountsCondition(context(), device, mounts)).toMatchObject({ abnormal: false });
});

test.each([
  ["made read-only", [mount("rw", "ro")]],
  ["made read-only, as another of its mounts tells", [mount("ro", "ro"), mount("rw", "ro")]],
  ["marked by Linux 6.15", [mount("rw", "rw,emergency_ro")]],
  ["marked by Linux 6.15 where it is staged read-only", [mount("ro", "ro,emergency_ro")]],
  ["shut down", [mount("rw", "rw,shutdown")]],
])("a filesystem is in trouble that was %s", async (_, mounts) => {
  expect(await mountsCondition(context(), device, mounts)).toMatchObject({
    abnormal: true,
    message: expect.stringContaining("ext4"),
  });
});

test("an ext4 is in trouble that has met errors, also where it goes on writing", async () => {
  const condition = await mountsCondition(context(undefined, 3), device, [mount("rw", "rw,errors=continue")]);
  expect(condition).toMatchObject({ abnormal: true, message: expect.stringMatching(/errors .*: 3/) });
});

test.each(["EIO", "ENXIO", "ENODEV", "ENODATA", "EAGAIN"])("a disk that answers %s is in trouble", async (code) => {
  expect(await diskCondition(context(fails(code)), device)).toMatchObject({
    abnormal: true,
    message: expect.stringContaining(code),
  });
  expect(await mountsCondition(context(fails(code)), device, [mount("rw", "rw")])).toMatchObject({ abnormal: true });
});

test.each(["ESTALE", "ECANCELED"])("%s says nothing of the disk", async (code) => {
  await expect(diskCondition(context(fails(code)), device)).rejects.toMatchObject({ code });
});

test("a disk that does not answer is in trouble after a while, and waited for no longer", async () => {
  const condition = diskCondition(
    context(() => new Promise(() => {})),
    device,
  );
  await jest.advanceTimersByTimeAsync(10_000);
  expect(await condition).toMatchObject({ abnormal: true, message: expect.stringContaining("not answered") });
  expect(jest.getTimerCount()).toBe(0);
});

test("the disk under a suspended device is not asked", async () => {
  const suspended = { ...device, mapping: { ...mapping, suspended: true } };
  const asked = context(() => Promise.reject(new Error("asked")));
  expect(await diskCondition(asked, suspended)).toMatchObject({
    abnormal: true,
    message: expect.stringContaining("suspended"),
  });
});
