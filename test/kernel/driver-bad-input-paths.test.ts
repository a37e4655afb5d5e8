import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  mountCapability,
  openWorld,
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
  await writeFile(join(world.kubelet, "file"), "kept");
  await symlink(outside, join(world.kubelet, "link"));
  await symlink(join(outside, "empty"), join(world.kubelet, "last"));
  await symlink("nowhere", join(world.kubelet, "dangling"));
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

test("paths, by their text", async () => {
  const deep = `${world.kubelet}/pods`;
  const paths: readonly (readonly [string, string, string])[] = [
    ["absent", "", "is missing"],
    ["relative", "pods/x/mount", "is not an absolute path"],
    ["option", "-x", "is not an absolute path"],
    ["root", "/", "shortest form|not below"],
    ["elsewhere", `${outside}/empty`, "is not below"],
    ["the directory itself", world.kubelet, "is not below"],
    ["a neighbour", `${world.kubelet}-2/pods/x`, "is not below"],
    ["dots", `${deep}/../../../etc`, String.raw`has a "\.\." in it`],
    ["dots at the end", `${deep}/..`, String.raw`has a "\.\." in it`],
    ["one dot", `${deep}/./x`, "shortest form"],
    ["two slashes", `${deep}//x`, "shortest form"],
    ["two slashes in front", `/${deep}/x`, "shortest form|not below"],
    ["a slash behind", `${deep}/x/`, "shortest form"],
    ["too long", `${deep}/${"x/".repeat(2100)}x`, "is longer than 4095 bytes"],
    ["a newline", `${deep}/x\ny`, "has control characters"],
    ["a NUL", `${deep}/x\u0000`, "has control characters"],
  ];
  const calls = paths.flatMap(([what, path, reason]): BadCall[] => {
    const [stagingField, targetField] = [
      new RegExp(`staging_target_path.*(${reason})`),
      new RegExp(`target_path.*(${reason})`),
    ];
    return [
      [`stage ${what}`, stagingField, stage({ stagingTargetPath: path })],
      [`unstage ${what}`, stagingField, unstage({ stagingTargetPath: path })],
      [`publish ${what}`, targetField, publish({ targetPath: path })],
      [`unpublish ${what}`, targetField, unpublish({ targetPath: path })],
      [
        `publish from ${what}`,
        stagingField,
        publish({ stagingTargetPath: path }),
        path === "" ? "FAILED_PRECONDITION" : undefined,
      ],
    ];
  });
  expect(await wrongAnswers(calls)).toEqual([]);
});

test("paths that lead elsewhere", async () => {
  const asBlock = { volumeId: blockId, volumeCapability: blockCapability() };
  const links = ["link/empty", "last", "dangling"].flatMap((name): BadCall[] => {
    const path = join(world.kubelet, name);
    const message = new RegExp(`(target_path|${path}).*symbolic link`);
    return [
      [`stage ${name}`, message, stage({ stagingTargetPath: path })],
      [`unstage ${name}`, message, unstage({ stagingTargetPath: path })],
      [`publish ${name}`, message, publish({ targetPath: path })],
      [`unpublish ${name}`, message, unpublish({ targetPath: path })],
      [`block ${name}`, message, publish({ ...asBlock, targetPath: path })],
    ];
  });
  const [file, below, parentless] = [
    join(world.kubelet, "file"),
    join(world.kubelet, "file/x"),
    join(world.kubelet, "absent/x"),
  ];
  const long = join(world.kubelet, "x".repeat(256));
  const files: readonly BadCall[] = [
    ["stage at a file", /kubelet\/file .*(directory|file)/, stage({ stagingTargetPath: file }), "FAILED_PRECONDITION"],
    ["publish at a file", /kubelet\/file .*(directory|file)/, publish({ targetPath: file }), "FAILED_PRECONDITION"],
    ["unpublish of a file", /kubelet\/file .*not empty/, unpublish({ targetPath: file }), "FAILED_PRECONDITION"],
    ["stage below a file", /kubelet\/file\/x.*not a directory/, stage({ stagingTargetPath: below })],
    ["publish below a file", /kubelet\/file\/x.*not a directory/, publish({ targetPath: below })],
    ["unpublish below a file", /kubelet\/file\/x.*not a directory/, unpublish({ targetPath: below })],
    [
      "stage without parent",
      /kubelet\/absent.*(parent|not exist)/,
      stage({ stagingTargetPath: parentless }),
      "FAILED_PRECONDITION",
    ],
    [
      "publish without parent",
      /kubelet\/absent.*(parent|not exist)/,
      publish({ targetPath: parentless }),
      "FAILED_PRECONDITION",
    ],
    [
      "block at a directory",
      /data.*(directory|stands)/,
      publish({ ...asBlock, targetPath: dirname(target) }),
      "FAILED_PRECONDITION",
    ],
    ["stage at a long name", /ENAMETOOLONG|too long/, stage({ stagingTargetPath: long })],
    ["publish at a long name", /ENAMETOOLONG|too long/, publish({ targetPath: long })],
  ];
  expect(await wrongAnswers([...links, ...files])).toEqual([]);
});
