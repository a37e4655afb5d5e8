import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { LogicalVolume } from "../lvm/model.ts";
import { type VolumeRecord, assertRecordFits, decodeRecord, encodeRecord, recordChange, states } from "./record.ts";

const name = "csi-0123456789abcdef0123456789abcdef";

const record: VolumeRecord = {
  state: "creating",
  name: "data",
  filesystem: "ext4",
  initialize: "auto",
  wipe: { kind: "none" },
  mkfsOptions: [],
  claim: undefined,
  doneBytes: 0,
};

function volumeWith(tags: readonly string[]): LogicalVolume {
  return {
    name,
    tags,
    uuid: "u",
    extentCount: 1,
    sizeBytes: 4096,
    segments: [],
    dependents: [],
    mappingUuid: "LVM-u",
    mappingName: "vg0-x",
  };
}

const anyRecord: fc.Arbitrary<VolumeRecord> = fc.record({
  state: fc.constantFrom(...states),
  name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 32 }),
  filesystem: fc.constantFrom("ext4" as const, "xfs" as const, "btrfs" as const, undefined),
  initialize: fc.constantFrom("auto" as const, "signatures" as const, "zero" as const),
  wipe: fc.constantFrom({ kind: "none" as const }, { kind: "shred" as const, passes: 3 }),
  mkfsOptions: fc.constantFrom([], ["-b", "4096", "-O", "^metadata_csum,bigalloc"]),
  claim: fc.option(fc.constant("prod/data-mysql-0"), { nil: undefined }),
  doneBytes: fc.nat(),
});

test("a record is read back as it was written, in tags that LVM takes", () => {
  fc.assert(
    fc.property(anyRecord, (wanted) => {
      const tags = encodeRecord(wanted, name);
      expect(decodeRecord(volumeWith(tags))).toEqual(wanted);
      for (const tag of tags) expect(tag).toMatch(/^[A-Za-z0-9_+.\-/=!:&]{1,1024}$/);
    }),
  );
});

test("a volume without the driver's tags is not the driver's", () => {
  expect(decodeRecord(volumeWith([]))).toBeUndefined();
  expect(decodeRecord(volumeWith(["owner=me", "lvm.local.csi", "other/state=ready"]))).toBeUndefined();
});

test.each([
  [["lvm.local.csi/fs=ext4"]],
  [["lvm.local.csi/state=ready"]],
  [["lvm.local.csi/state=done", "lvm.local.csi/fs=ext4"]],
  [["lvm.local.csi/state=ready", "lvm.local.csi/state=formatted", "lvm.local.csi/fs=ext4"]],
  [["lvm.local.csi/state=ready", "lvm.local.csi/fs=ntfs"]],
  [["lvm.local.csi/state=ready", "lvm.local.csi/fs=ext4", "lvm.local.csi/done=-1"]],
  [["lvm.local.csi/state=ready", "lvm.local.csi/fs=ext4", "lvm.local.csi/wipe=shred:99"]],
])("tags changed by hand into %j are refused, not guessed at", (tags) => {
  expect(() => decodeRecord(volumeWith(tags))).toThrow(expect.objectContaining({ kind: "internal" }));
});

test("a transition changes its own tags in one commit and leaves foreign ones", () => {
  const volume = volumeWith([...encodeRecord(record, name), "backup=nightly"]);
  expect(recordChange(volume, { ...record, state: "ready" })).toEqual({
    add: ["lvm.local.csi/state=ready"],
    remove: ["lvm.local.csi/state=creating"],
  });
});

test("the claim gives way to the budget of 512 bytes, and what cannot fit is refused before anything is made", () => {
  const claim = `${"n".repeat(63)}/${"c".repeat(253)}`;
  const long = { ...record, name: "é".repeat(40), claim };
  expect(encodeRecord(long, name).join("").length).toBeLessThanOrEqual(512);
  expect(encodeRecord({ ...record, claim }, name).join("")).toContain("/claim=");
  expect(() => assertRecordFits(long, name)).not.toThrow();
  const tooLong = { ...long, name: "é".repeat(64), mkfsOptions: ["^".repeat(60)] };
  expect(() => assertRecordFits(tooLong, name)).toThrow(expect.objectContaining({ kind: "invalidArgument" }));
});
