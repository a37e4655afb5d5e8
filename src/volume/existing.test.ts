import { expect, test } from "@jest/globals";
import { LvmError, type LvmFailure, VolumeError } from "../errors.ts";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Search, findExisting } from "./existing.ts";

type Read = () => Promise<VolumeGroupState>;

const name = "pvc-00000000-0000-0000-0000-000000000001";

// a group in which nothing is found is asked for nothing else
const empty: Read = async () => ({ name: "vg", logicalVolumes: new Map() }) as unknown as VolumeGroupState;

const fails =
  (kind: LvmFailure): Read =>
  async () => {
    throw new LvmError(kind, "no device carries it");
  };

const silent: Read = () => new Promise(() => undefined);

test.each<[string, Read, Read, string]>([
  ["the chosen group is missing", fails("groupMissing"), empty, "failedPrecondition"],
  ["the chosen group cannot be read", fails("groupUnreadable"), empty, "groupUnreadable"],
  ["another group cannot be read", empty, fails("groupAmbiguous"), "groupAmbiguous"],
  ["another group says nothing", empty, silent, "unavailable"],
])("who will rely on it is not told that there is no volume while %s", async (_case, chosen, other, kind) => {
  await expect(look(chosen, other, true)).rejects.toMatchObject({ kind });
  await expect(look(chosen, other, true)).rejects.toThrow(kind.startsWith("group") ? LvmError : VolumeError);
});

test.each<[string, Read, Read]>([
  ["all groups are there", empty, empty],
  ["one is missing that is not chosen", empty, fails("groupMissing")],
])("there is no volume: %s", async (_case, chosen, other) => {
  expect(await look(chosen, other, true)).toBeUndefined();
});

test.each<[string, Read, Read]>([
  ["its group is missing", fails("groupMissing"), empty],
  ["another group cannot be read", empty, fails("groupUnreadable")],
  ["another group says nothing", empty, silent],
])("what is to be made is made where that can be, or refused there: %s", async (_case, chosen, other) => {
  expect(await look(chosen, other, false)).toBeUndefined();
});

async function look(chosen: Read, other: Read, onlyExisting: boolean) {
  const groups = [chosen, other].map((read, index) => ({ name: `vg${index}`, read }) as unknown as VolumeGroup);
  const context = {
    groups: new Map(groups.map((group) => [group.name, group])),
    topologyValue: "n1",
    begun: new Set(""),
  };
  return findExisting(context, { name, chosen: groups[0], onlyExisting } as unknown as Search);
}
