import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  logicalVolumeOf,
  mountCapability,
  openWorld,
  shell,
  stagingPath,
  targetPath,
} from "./world.ts";

let world: World;
let outside: string;
let volumeId: string;
let blockId: string;
let staging: string;
let target: string;
let before: object;

beforeAll(async () => {
  world = await openWorld();
  outside = await mkdtemp("/run/outside-");
  await mkdir(join(outside, "empty"));
  await writeFile(join(outside, "file"), "kept");
  volumeId = await create(mountCapability());
  blockId = await create(blockCapability());
  staging = await stagingPath(world, "staged");
  target = await targetPath(world, "pod");
  await stage({})();
  await publish({})();
  await symlink(join(outside, "empty"), join(world.kubelet, "last"));
});

afterAll(async () => {
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: staging });
  for (const id of [volumeId, blockId]) await world.rpc.DeleteVolume({ volumeId: id });
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

beforeEach(async () => {
  before = await surroundings(world, outside);
});

afterEach(async () => {
  expect(await surroundings(world, outside)).toEqual(before);
});

async function create(capability: VolumeCapability): Promise<string> {
  const request = { name: claimName(), capacityRange: { requiredBytes: 32 * MiB }, volumeCapabilities: [capability] };
  return (await world.rpc.CreateVolume(request)).volume?.volumeId ?? "";
}

/** A request that would be in order for each of the calls. */
function whole() {
  return {
    volumeId,
    stagingTargetPath: staging,
    targetPath: target,
    volumePath: target,
    volumeCapability: mountCapability(),
  };
}

type Change = Partial<Omit<ReturnType<typeof whole>, "volumeCapability">> & {
  readonly volumeCapability?: VolumeCapability | null;
};

const stage = (change: Change) => () => world.rpc.NodeStageVolume({ ...whole(), ...change });
const publish = (change: Change) => () => world.rpc.NodePublishVolume({ ...whole(), ...change });
const unstage = (change: Change) => () => world.rpc.NodeUnstageVolume({ ...whole(), ...change });
const unpublish = (change: Change) => () => world.rpc.NodeUnpublishVolume({ ...whole(), ...change });
const statistics = (change: Change) => () => world.rpc.NodeGetVolumeStats({ ...whole(), ...change });
const expand = (change: Change) => () => world.rpc.NodeExpandVolume({ ...whole(), ...change });

test("ids", async () => {
  const texts: readonly (readonly [string, string, string])[] = [
    ["absent", "", "volume_id is missing"],
    ["too long", "x".repeat(129), "volume_id has 129 bytes; at most 128"],
    ["a newline", `${volumeId}\n`, "volume_id .*control characters"],
    ["a NUL", `${volumeId}\u0000`, "volume_id .*control characters"],
    ["a C1 control", `${volumeId}\u009f`, "volume_id .*control characters"],
  ];
  const calls = texts.flatMap(([what, id, message]): BadCall[] =>
    [stage, publish, unstage, unpublish, statistics, expand].map((call) => [
      what,
      new RegExp(message),
      call({ volumeId: id }),
    ]),
  );
  const name = logicalVolumeOf(volumeId);
  const ids = [
    "x",
    "../..",
    "-x",
    `n1/${world.volumeGroup}/../${name}`,
    `n2/${world.volumeGroup}/${name}`,
    `n1/other/${name}`,
  ];
  const unknown = [...ids, `${volumeId}/`, `n1/${world.volumeGroup}/pvc-00000000-0000-0000-0000-000000000000`].flatMap(
    (id): BadCall[] =>
      [stage, publish, statistics, expand].map((call) => [
        id,
        /volume ".*" does not exist/,
        call({ volumeId: id }),
        "NOT_FOUND",
      ]),
  );
  const mounted: readonly BadCall[] = [blockId, ...ids.slice(0, 4)].flatMap((id): BadCall[] => [
    [id, /is the mount of something else than ".*": ext4/, unpublish({ volumeId: id }), "FAILED_PRECONDITION"],
    [id, /is the mount of something else than ".*": ext4/, unstage({ volumeId: id }), "FAILED_PRECONDITION"],
  ]);
  expect(await wrongAnswers([...calls, ...unknown, ...mounted])).toEqual([]);
});

test("volume_path: where the volume is not, whatever is sent", async () => {
  const paths = [
    "some/path",
    "-x",
    "/",
    "/etc",
    outside,
    `${target}/`,
    `${target}/../mount`,
    `${target}\n`,
    "\u0000",
    "/dev/loop0/x",
  ];
  const links = [join(world.kubelet, "last"), `/proc/self/root${target}`, "ü".repeat(100)];
  const calls = [...paths, ...links, "/x".repeat(3000), "x".repeat(1_000_000)].flatMap((volumePath): BadCall[] => [
    [`statistics ${volumePath.slice(0, 99)}`, /is not at volume_path/, statistics({ volumePath }), "NOT_FOUND"],
    [`expand ${volumePath.slice(0, 99)}`, /is not at volume_path/, expand({ volumePath }), "NOT_FOUND"],
  ]);
  const none: readonly BadCall[] = [
    ["statistics", /volume_path is missing/, statistics({ volumePath: "" })],
    ["expand", /volume_path is missing/, expand({ volumePath: "" })],
  ];
  expect(await wrongAnswers([...calls, ...none])).toEqual([]);
});

function grow(capacityRange: object) {
  return () => world.rpc.NodeExpandVolume({ ...whole(), capacityRange });
}

test("capabilities and sizes", async () => {
  const wrong: readonly (readonly [string, VolumeCapability | null, RegExp, BadCall[3]])[] = [
    ["none", null, /volume_capability is missing/, undefined],
    ["no mode", { mount: {} }, /volume_capability\.access_mode is missing/, undefined],
    [
      "multi-node",
      { mount: {}, accessMode: { mode: "MULTI_NODE_MULTI_WRITER" } },
      /access_mode "MULTI_NODE_MULTI_WRITER"/,
      undefined,
    ],
    ["neither", { accessMode: { mode: "SINGLE_NODE_WRITER" } }, /neither mount nor block/, undefined],
    ["block", blockCapability(), /was made for ext4, not for raw block/, "FAILED_PRECONDITION"],
    ["xfs", mountCapability("xfs"), /was made for ext4, not for "xfs"/, "FAILED_PRECONDITION"],
    ["fs long", mountCapability("x".repeat(129)), /fs_type is longer/, undefined],
    [
      "flag",
      mountCapability("ext4", "SINGLE_NODE_WRITER", ["noatime,remount"]),
      /mount option "remount" is refused/,
      undefined,
    ],
    [
      "flag's comma",
      mountCapability("ext4", "SINGLE_NODE_WRITER", ["a,b=c"]),
      /mount option "a" is refused/,
      undefined,
    ],
    ["flag's newline", mountCapability("", "SINGLE_NODE_WRITER", ["ro\nrw"]), /mount option .* is refused/, undefined],
  ];
  const calls = wrong.flatMap(([what, volumeCapability, message, code]): BadCall[] => [
    [`stage ${what}`, message, stage({ volumeCapability }), code],
    [`publish ${what}`, message, publish({ volumeCapability }), code],
  ]);
  const sizes: readonly BadCall[] = [
    ["negative", /required_bytes is -1/, grow({ requiredBytes: -1 })],
    ["empty", /capacity_range names neither/, grow({})],
    ["contradictory", /limit_bytes 1 is below/, grow({ requiredBytes: 2, limitBytes: 1 })],
    ["2^53", /required_bytes is 9007199254740992/, grow({ requiredBytes: "9007199254740992" }), "OUT_OF_RANGE"],
    ["too large", /ControllerExpandVolume/, grow({ requiredBytes: 999 * MiB }), "OUT_OF_RANGE"],
    ["too small", /more than the limit/, grow({ limitBytes: MiB }), "OUT_OF_RANGE"],
    [
      "mode",
      /access_mode/,
      expand({ volumeCapability: { mount: {}, accessMode: { mode: "MULTI_NODE_READER_ONLY" } } }),
    ],
  ];
  expect(await wrongAnswers([...calls, ...sizes])).toEqual([]);
  expect(await shell("cat", join(outside, "file"))).toBe("kept");
});
