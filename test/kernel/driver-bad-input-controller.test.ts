import { mkdtemp } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import { MiB, type World, claimName, logicalVolumeOf, mountCapability, openWorld, tagsOf } from "./world.ts";

let world: World;
let volumeId: string;
let before: object;
let outside: string;

const node = "topology.lvm.local.csi/node";
const absent = "pvc-00000000-0000-0000-0000-000000000000";

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

const badTexts: readonly (readonly [string, string, RegExp])[] = [
  ["absent", "", / is missing/],
  ["too long", "ä".repeat(65), / has 130 bytes; at most 128/],
  ["a newline", "pvc\n", /control characters/],
  ["a NUL", "pvc\u0000", /control characters/],
  ["an escape", "pvc\u001b[31m", /control characters/],
  ["a C1 control", "pvc\u0085", /control characters/],
];

test("names and ids", async () => {
  const calls = badTexts.flatMap(([what, text, reason]): BadCall[] => {
    const withId = { volumeId: text, capacityRange: { requiredBytes: 1 }, volumeCapabilities: [mountCapability()] };
    const id = new RegExp(`volume_id.*${reason.source}`);
    return [
      [`CreateVolume ${what}`, new RegExp(`^name.*${reason.source}`), () => create({ name: text })],
      [`DeleteVolume ${what}`, id, () => world.rpc.DeleteVolume(withId)],
      [`ControllerExpandVolume ${what}`, id, () => world.rpc.ControllerExpandVolume(withId)],
      [`ControllerGetVolume ${what}`, id, () => world.rpc.ControllerGetVolume(withId)],
      [`ValidateVolumeCapabilities ${what}`, id, () => world.rpc.ValidateVolumeCapabilities(withId)],
    ];
  });
  expect(await wrongAnswers(calls)).toEqual([]);
});

test("ids of volumes that are not there, or not this node's", async () => {
  const [group, name] = [world.volumeGroup, logicalVolumeOf(volumeId)];
  const strange = [
    "x",
    "/",
    "//",
    "..",
    "-x",
    `n1/${group}`,
    `n1/${group}/../${name}`,
    `n1//${name}`,
    `n1/${group}/-${name}`,
  ];
  const ids = [...strange, `n1/${group}/${name}/`, `${volumeId}'"\`$(touch x)`, `n1/${group}/${name.toUpperCase()}`];
  const calls = [...ids, `n1/${group}/${absent}`, `n2/${group}/${name}`, `n1/other/${name}`].flatMap(
    (id): BadCall[] => [
      [`Get ${id}`, /volume ".*" does not exist/, () => world.rpc.ControllerGetVolume({ volumeId: id }), "NOT_FOUND"],
      [
        `Validate ${id}`,
        /volume ".*" does not exist/,
        () => world.rpc.ValidateVolumeCapabilities({ volumeId: id, volumeCapabilities: [mountCapability()] }),
        "NOT_FOUND",
      ],
      [
        `Expand ${id}`,
        /volume ".*" does not exist/,
        () => world.rpc.ControllerExpandVolume({ volumeId: id, capacityRange: { requiredBytes: 999 * MiB } }),
        "NOT_FOUND",
      ],
    ],
  );
  expect(await wrongAnswers(calls)).toEqual([]);
  for (const id of [...ids, `n1/${group}/${absent}`]) await world.rpc.DeleteVolume({ volumeId: id });
  const elsewhere: readonly BadCall[] = [
    [
      "node",
      /is on another node/,
      () => world.rpc.DeleteVolume({ volumeId: `n2/${group}/${name}` }),
      "FAILED_PRECONDITION",
    ],
    ["group", /--volume-group/, () => world.rpc.DeleteVolume({ volumeId: `n1/other/${name}` }), "FAILED_PRECONDITION"],
  ];
  expect(await wrongAnswers(elsewhere)).toEqual([]);
});

test("every other name is taken as it is, and reaches neither a path nor a command line", async () => {
  const hostile = [
    "..",
    "-x",
    "--help",
    "../../etc/passwd",
    "a b\u2003c",
    "'\"`$(touch x);|&",
    "/dev/ubda",
    "@tag",
    "😀".repeat(32),
  ];
  const names = [...hostile, "%n%s", "pvc-AAAAAAAA-0000-0000-0000-000000000000", "ünïcödé‮"];
  const made = await Promise.all(names.map((name) => create({ name, capacityRange: { requiredBytes: 16 * MiB } })));
  const ids = made.map(({ volume }) => volume?.volumeId ?? "");
  for (const id of ids) expect(logicalVolumeOf(id)).toMatch(/^csi-[0-9a-f]{32}$/);
  expect(new Set(ids).size).toBe(names.length);
  expect(await tagsOf(world, logicalVolumeOf(ids[1] ?? ""))).toMatchObject({ name: "-x" });
  await Promise.all(ids.map((id) => world.rpc.DeleteVolume({ volumeId: id })));
});

test("sizes", async () => {
  const ranges: readonly (readonly [
    string,
    { requiredBytes?: string | number; limitBytes?: string | number },
    RegExp,
    BadCall[3],
  ])[] = [
    ["no number", {}, /capacity_range names neither/, "INVALID_ARGUMENT"],
    ["negative", { requiredBytes: -1 }, /required_bytes is -1/, "INVALID_ARGUMENT"],
    ["negative limit", { limitBytes: -4096 }, /limit_bytes is -4096/, "INVALID_ARGUMENT"],
    [
      "most negative",
      { requiredBytes: "-9223372036854775808" },
      /required_bytes is -9223372036854775808/,
      "INVALID_ARGUMENT",
    ],
    [
      "contradictory",
      { requiredBytes: 64 * MiB, limitBytes: 32 * MiB },
      /limit_bytes .* is below required_bytes/,
      "INVALID_ARGUMENT",
    ],
    ["2^53", { requiredBytes: "9007199254740992" }, /required_bytes is 9007199254740992.*2\^53 - 1/, "OUT_OF_RANGE"],
    ["2^63 - 1", { requiredBytes: "9223372036854775807" }, /required_bytes is 9223372036854775807/, "OUT_OF_RANGE"],
    ["limit 2^63 - 1", { limitBytes: "9223372036854775807" }, /limit_bytes is 9223372036854775807/, "OUT_OF_RANGE"],
  ];
  const calls = ranges.flatMap(([what, capacityRange, message, code]): BadCall[] => [
    [`create ${what}`, message, () => create({ capacityRange }), code],
    [`expand ${what}`, message, () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange }), code],
  ]);
  const largest = { requiredBytes: String(Number.MAX_SAFE_INTEGER) };
  const missing: readonly BadCall[] = [
    ["expand without", /capacity_range is missing/, () => world.rpc.ControllerExpandVolume({ volumeId })],
    ["create 2^53 - 1", /room for \d+ bytes/, () => create({ capacityRange: largest }), "RESOURCE_EXHAUSTED"],
    [
      "expand to 2^53 - 1",
      /room for \d+ bytes/,
      () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange: largest }),
      "OUT_OF_RANGE",
    ],
  ];
  expect(await wrongAnswers([...calls, ...missing])).toEqual([]);
});

test("topology, sources, tokens and all the rest", async () => {
  const requisite = [{ segments: { [node]: "n2" } }, { segments: { [node]: "" } }];
  const token = /starting_token is not one of this driver's/;
  const calls: readonly BadCall[] = [
    [
      "other node",
      /accessibility_requirements/,
      () => create({ accessibilityRequirements: { requisite } }),
      "RESOURCE_EXHAUSTED",
    ],
    ["snapshot", /volume_content_source/, () => create({ volumeContentSource: { snapshot: { snapshotId: "s" } } })],
    ["clone", /volume_content_source/, () => create({ volumeContentSource: { volume: { volumeId } } })],
    ["empty source", /volume_content_source/, () => create({ volumeContentSource: {} })],
    ["mutable", /mutable_parameters/, () => create({ mutableParameters: { iops: "5" } })],
    ["max_entries", /max_entries is -1/, () => world.rpc.ListVolumes({ maxEntries: -1 })],
    ["max_entries", /max_entries is -2147483648/, () => world.rpc.ListVolumes({ maxEntries: -(2 ** 31) })],
    [
      "publish",
      /ControllerPublishVolume/,
      () => world.rpc.ControllerPublishVolume({ volumeId, nodeId: "n1" }),
      "UNIMPLEMENTED",
    ],
    [
      "snapshot",
      /CreateSnapshot/,
      () => world.rpc.CreateSnapshot({ sourceVolumeId: volumeId, name: "s" }),
      "UNIMPLEMENTED",
    ],
    ...["x", "../..", "-1", "YWZ0ZXIgeA==", "YWZ0ZX I", "\u0000", "ü".repeat(100_000)].map((startingToken): BadCall => [
      "token",
      token,
      () => world.rpc.ListVolumes({ startingToken }),
      "ABORTED",
    ]),
  ];
  expect(await wrongAnswers(calls)).toEqual([]);
});
