import { mkdtemp } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import { MiB, type World, blockCapability, claimName, mountCapability, openWorld } from "./world.ts";

const accessMode = { mode: "SINGLE_NODE_WRITER" } as const;

let world: World;
let before: object;
let outside: string;
let volumeId: string;

beforeAll(async () => {
  world = await openWorld();
  outside = await mkdtemp("/run/outside-");
  volumeId = (await create({})).volume?.volumeId ?? "";
});

afterAll(async () => {
  await world.rpc.DeleteVolume({ volumeId });
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

const badCapabilities: readonly (readonly [string, readonly VolumeCapability[], RegExp])[] = [
  ["no mode", [{ mount: {} }], /volume_capabilities\.access_mode is missing/],
  ["mode unknown", [{ mount: {}, accessMode: {} }], /access_mode "UNKNOWN" is not supported/],
  [
    "mode multi-node writer",
    [{ mount: {}, accessMode: { mode: "MULTI_NODE_MULTI_WRITER" } }],
    /access_mode "MULTI_NODE_MULTI/,
  ],
  [
    "mode multi-node reader",
    [{ block: {}, accessMode: { mode: "MULTI_NODE_READER_ONLY" } }],
    /access_mode "MULTI_NODE_READER/,
  ],
  [
    "mode one writer",
    [{ block: {}, accessMode: { mode: "MULTI_NODE_SINGLE_WRITER" } }],
    /access_mode "MULTI_NODE_SINGLE/,
  ],
  ["neither mount nor block", [{ accessMode }], /neither mount nor block/],
  ["mount and block", [mountCapability(), blockCapability()], /mount and block at once/],
  ["two filesystems", [mountCapability("ext4"), mountCapability("xfs")], /several filesystems: "ext4", "xfs"/],
  ["fs ntfs", [mountCapability("ntfs")], /fs_type "ntfs" is unknown/],
  ["fs EXT4", [mountCapability("EXT4")], /fs_type "EXT4" is unknown/],
  ["fs -x", [mountCapability("-x")], /fs_type "-x" is unknown/],
  ["fs path", [mountCapability("../../bin/sh")], /fs_type .* is unknown/],
  ["fs newline", [mountCapability("ext4\n")], /fs_type "ext4\\n" is unknown/],
  ["fs inherited", [mountCapability("toString")], /fs_type "toString" is unknown/],
  ["fs long", [mountCapability("x".repeat(129))], /fs_type is longer than 128 bytes/],
  ["group", [{ mount: { volumeMountGroup: "1000" }, accessMode }], /volume_mount_group is not supported/],
  [
    "flags long",
    [mountCapability("ext4", "SINGLE_NODE_WRITER", Array(600).fill("noatime"))],
    /mount_flags have more than 4096/,
  ],
];

test("capabilities", async () => {
  const calls = badCapabilities.flatMap(([what, volumeCapabilities, message]): BadCall[] => [
    [`create ${what}`, message, () => create({ volumeCapabilities: [...volumeCapabilities] })],
    [`capacity ${what}`, message, () => world.rpc.GetCapacity({ volumeCapabilities: [...volumeCapabilities] })],
  ]);
  const none: readonly BadCall[] = [
    ["create none", /volume_capabilities is missing/, () => create({ volumeCapabilities: [] })],
    ["validate none", /volume_capabilities is missing/, () => world.rpc.ValidateVolumeCapabilities({ volumeId })],
    [
      "expand",
      /volume_capability.access_mode is missing/,
      () =>
        world.rpc.ControllerExpandVolume({
          volumeId,
          capacityRange: { requiredBytes: 1 },
          volumeCapability: { mount: {} },
        }),
    ],
  ];
  expect(await wrongAnswers([...calls, ...none])).toEqual([]);
  for (const [, volumeCapabilities, message] of badCapabilities) {
    const answer = await world.rpc.ValidateVolumeCapabilities({
      volumeId,
      volumeCapabilities: [...volumeCapabilities],
    });
    expect(answer).toMatchObject({ confirmed: null, message: expect.stringMatching(message) });
  }
});
