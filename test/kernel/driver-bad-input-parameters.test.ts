import { mkdtemp } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import { MiB, type World, claimName, mountCapability, openWorld } from "./world.ts";

let world: World;
let before: object;
let outside: string;

beforeAll(async () => {
  world = await openWorld();
  outside = await mkdtemp("/run/outside-");
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

beforeEach(async () => {
  before = await surroundings(world, outside);
});

afterEach(async () => {
  expect(await surroundings(world, outside)).toEqual(before);
});

function create(change: CreateVolumeRequest) {
  const request = {
    name: claimName(),
    capacityRange: { requiredBytes: 32 * MiB },
    volumeCapabilities: [mountCapability()],
  };
  return world.rpc.CreateVolume({ ...request, ...change });
}

const unknownKeys = [
  "",
  "Layout",
  "layout ",
  "fstype",
  "csi.storage.k8s.io",
  "__proto__",
  "constructor",
  "lvcreateOptions",
  "-x",
  "a\nb",
];

const badValues: Readonly<Record<string, readonly string[]>> = {
  volumeGroup: ["", "other", "..", "../vg", "-x", "vg\n", "toString"],
  layout: ["", "Linear", "raid1", "mirror", "thin", "linear\n", "striped --yes"],
  stripes: ["", "0", "1", "17", "-2", "2.5", "0x2", "2 ", "1e1", "9007199254740993", "٢"],
  stripeSize: ["", "0", "2Ki", "3Ki", "8Mi", "64KiB", "64 Ki", "-4Ki", "4Gi", "65537", "1e5", "64k;x"],
  initialize: ["", "Zero", "none", "auto ", "zero\n"],
  wipe: ["", "Zero", "shred", "shred:0", "shred:10", "shred:-1", "shred:1.5", "shred: 3", "discard;zero"],
  "csi.storage.k8s.io/fstype": ["ntfs", "EXT4", "ext4 ", "-x", "../ext4", "ext4\n", "toString"],
};

test("StorageClass parameters, in CreateVolume and in GetCapacity", async () => {
  const keys = unknownKeys.flatMap((key) => bothCalls({ [key]: "x" }, /parameter ".*" is unknown/));
  const values = Object.entries(badValues).flatMap(([key, texts]) =>
    texts.flatMap((value): readonly BadCall[] => {
      const striped = key.startsWith("stripe") ? { layout: "striped" } : {};
      // Another node may have the group: GetCapacity answers 0 (docs/errors.md).
      const calls = bothCalls(
        { ...striped, [key]: value },
        new RegExp(`"${key}" is ".*"`),
        key.endsWith("/fstype") ? "" : undefined,
      );
      return key === "volumeGroup" ? calls.slice(0, 1) : calls;
    }),
  );
  const together: readonly BadCall[] = [
    ...bothCalls({ stripes: "2" }, /parameter "stripes" is only for layout striped/),
    ...bothCalls({ layout: "linear", stripeSize: "64Ki" }, /parameter "stripeSize" is only for layout striped/),
    ...bothCalls({ "csi.storage.k8s.io/x": "x".repeat(4100) }, /parameters has \d+ bytes; at most 4096/),
  ];
  expect(await wrongAnswers([...keys, ...values, ...together])).toEqual([]);
});

/** @param fsType of the capability */
function bothCalls(parameters: Record<string, string>, message: RegExp, fsType = "ext4"): readonly BadCall[] {
  const volumeCapabilities = [mountCapability(fsType)];
  const what = JSON.stringify(parameters).slice(0, 80);
  return [
    [`create ${what}`, message, () => create({ parameters, volumeCapabilities })],
    [`capacity ${what}`, message, () => world.rpc.GetCapacity({ parameters, volumeCapabilities })],
  ];
}
