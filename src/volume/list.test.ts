import { expect, test } from "@jest/globals";
import { LvmError } from "../errors.ts";
import type { Context } from "./context.ts";
import { listVolumes } from "./list.ts";

const name = "pvc-00000000-0000-0000-0000-000000000001";

/** A context with volume group vg0, in which a volume is, and vg1, which fails. */
function context(failure: LvmError, isHeardOf: boolean): Context {
  const logicalVolume = { name, tags: ["lvm.local.csi/state=ready", "lvm.local.csi/fs=block"] };
  const state = { name: "vg0", logicalVolumes: new Map([[name, logicalVolume]]) };
  const groups = new Map<string, object>([
    ["vg0", { name: "vg0", isHeardOf: true, read: async () => state }],
    ["vg1", { name: "vg1", isHeardOf, read: () => Promise.reject(failure) }],
  ]);
  // no more of the context is used
  return { groups, topologyValue: "n1" } as unknown as Context;
}

test("a volume group that was never here has no volumes", async () => {
  const page = await listVolumes(context(new LvmError("groupMissing", "gone"), false), 0, "");
  expect(page.volumes.map(({ id }) => id.logicalVolume)).toEqual([name]);
});

test.each([
  ["groupMissing", true],
  ["groupUnreadable", true],
  ["groupUnreadable", false],
  ["groupAmbiguous", false],
] as const)("with a group that is %s (seen before: %s) there is no list", async (kind, isHeardOf) => {
  await expect(listVolumes(context(new LvmError(kind, "bad"), isHeardOf), 0, "")).rejects.toMatchObject({ kind });
});
