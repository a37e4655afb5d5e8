import { mkdtemp } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import type { FilesystemName } from "../../src/filesystem/names.ts";
import { type BadCall, surroundings, wrongAnswers } from "./refusals.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  expectRefused,
  logicalVolumeOf,
  mountCapability,
  mountsAt,
  openWorld,
  stagingPath,
  tagsOf,
} from "./world.ts";

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
  await stagingPath(world, "options");
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

const badMkfsOptions: Readonly<Record<FilesystemName, readonly string[]>> = {
  ext4: [
    ...listed(`
      -F | -FF | -n | -S | -c | -L label | -U clear | -M /mnt | -d /etc | -l /etc/passwd | -z undo | -t ext2 | -V | --help | -
      /dev/ubda | -- | -- /dev/ubda | -b | -b 512 | -b 4096 -b 1024 | -b4096,1024 | -m 51 | -m -1 | -m 1e9 | -T /etc | -i -1
      -E discard | -E assume_storage_prezeroed=1 | -E offset=1 | -E stride=1,discard | -E stride=1,stride=2 | -E root_owner=0:0
      -O journal_dev | -O dir_index,bigalloc | -O ^dir_index,dir_index | -O none | -O encrypt | -J device=/dev/ubda
      -J size=1,device=x | -i 8192; touch /x | -i $(touch /x) | -i '8192'`),
    ...["-i `x`", "-i 8192\n-F", "-i\u00008192", "-i 8192\u2028-F", "-x 1 ".repeat(60)],
  ],
  xfs: listed(`
    -f | -K | -N | -L x | -p /etc/passwd | -c options=/etc/passwd | -r rtdev=/dev/ubda | -r size=1m | -m uuid=x | -m crc=0 | -s size=3
    -d file | -d name=/etc/x | -d size=1g | -d file=1,name=/x | -l logdev=/dev/ubda | -l internal=0 | -l lazy-count=0`),
  btrfs: listed(`
    -f | -K | -r /etc | --rootdir=/etc | --rootdir /etc | -b 100m | -s 512 | -L x | -U x | --shrink | -d raid1 | -m raid0 | -n 3
    --csum=md5 | --csum | -O raid56 | -O list-all | /dev/ubda`),
};

/** What is between bars and line ends. */
function listed(text: string): readonly string[] {
  return text.trim().split(/\s*[|\n]\s*/);
}

test("mkfsOptions", async () => {
  const calls = Object.entries(badMkfsOptions).flatMap(([fsType, texts]) =>
    texts.flatMap((mkfsOptions, index): BadCall[] => {
      const asked = { parameters: { mkfsOptions }, volumeCapabilities: [mountCapability(fsType)] };
      const created: BadCall = [`create ${fsType} ${mkfsOptions}`, /mkfsOptions /, () => create(asked)];
      if (index > 0) return [created];
      return [created, [`capacity ${fsType} ${mkfsOptions}`, /mkfsOptions /, () => world.rpc.GetCapacity(asked)]];
    }),
  );
  const long = {
    name: "ü".repeat(64),
    parameters: { mkfsOptions: "-O 64bit,dir_index,dir_nlink,extra_isize,flex_bg -E stride=1" },
  };
  const volumeCapabilities = [blockCapability()];
  const others: readonly BadCall[] = [
    [
      "raw block",
      /"mkfsOptions" is given for a raw block/,
      () => create({ volumeCapabilities, parameters: { mkfsOptions: "-m 1" } }),
    ],
    ["name too", /name and mkfsOptions together are \d+ bytes too long/, () => create(long)],
  ];
  expect(await wrongAnswers([...calls, ...others])).toEqual([]);
});

test("values of mkfsOptions that mkfs itself refuses are the class's fault, not the driver's", async () => {
  const wrong = [];
  for (const mkfsOptions of ["-i 1000", "-m 50.99", "-J size=20", "-I 1024 -i 1024"]) {
    const volumeId = (await create({ parameters: { mkfsOptions } })).volume?.volumeId ?? "";
    const stage = {
      volumeId,
      stagingTargetPath: await stagingPath(world, "options"),
      volumeCapability: mountCapability(),
    };
    const staged: BadCall = [mkfsOptions, /mkfs/, () => world.rpc.NodeStageVolume(stage), "FAILED_PRECONDITION"];
    wrong.push(...(await wrongAnswers([staged])));
    await world.rpc.DeleteVolume({ volumeId });
  }
  expect(wrong).toEqual([]);
});

const badMountFlags: Readonly<Record<FilesystemName, readonly string[]>> = {
  ext4: [
    ...listed(`
      , | noatime, | ,noatime | noatime,,ro | remount | ro,remount | bind | rbind | move | loop | loop=/dev/loop0 | x-foo | -o | --bind
      X-mount.mkdir | x-systemd.automount | helper=sh | noload | norecovery | errors=panic | errors= | suid | dev | exec,dev | dax
      a,b=c | noatime,dev=/dev/ubda | data=ordered,bind | commit=5,commit=6 | commit=-1 | commit=999999 | barrier=2 | noatime bind
      ünï | usrjquota=../x | journal_path=/etc/passwd | journal_dev=1 | sb=1 | offset=1 | NOATIME | uid=0 | context= | context=foo
      context="a:b:c:s0 | context="a:b:c:s0",remount | context="a:b:c,remount"`),
    ...["", "commit=5\n", "noatime\tbind", "noatime\u0000"],
  ],
  xfs: listed("logdev=/dev/ubda | rtdev=/dev/ubda | norecovery | uuid | logbufs=9 | allocsize= | errors=remount-ro"),
  btrfs: listed(
    "subvol=/x | subvolid=5 | device=/dev/ubda | degraded | rescue=all | nologreplay | compress=none;x | fatal_errors=panic",
  ),
};

test("mount flags", async () => {
  const calls = Object.entries(badMountFlags).flatMap(([fsType, texts]) =>
    texts.flatMap((flag): BadCall[] => {
      const volumeCapabilities = [mountCapability(fsType, "SINGLE_NODE_WRITER", ["noatime", flag])];
      const message = /mount option ".*" is refused: /;
      return [
        [`create ${fsType} ${flag}`, message, () => create({ volumeCapabilities })],
        [`capacity ${fsType} ${flag}`, message, () => world.rpc.GetCapacity({ volumeCapabilities })],
      ];
    }),
  );
  expect(await wrongAnswers(calls)).toEqual([]);
});

test("mount options that the kernel refuses are the caller's fault, and leave nothing mounted", async () => {
  const volumeId = (await create({})).volume?.volumeId ?? "";
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "options") };
  const wrong = [];
  for (const flags of [["data=journal", "delalloc"], ["prjquota"], ["context=system_u:object_r:tmp_t:s0"]]) {
    const volumeCapability = mountCapability("ext4", "SINGLE_NODE_WRITER", flags);
    const call: BadCall = [flags.join(), /mount/, () => world.rpc.NodeStageVolume({ ...stage, volumeCapability })];
    wrong.push(...(await wrongAnswers([call])));
    expect(await mountsAt(stage.stagingTargetPath)).toEqual([]);
  }
  expect(await tagsOf(world, logicalVolumeOf(volumeId))).toMatchObject({ state: "formatted" });
  const otherFilesystem = world.rpc.NodeStageVolume({ ...stage, volumeCapability: mountCapability("xfs") });
  await expectRefused(otherFilesystem, "FAILED_PRECONDITION", /was made for ext4, not for "xfs"/);
  await world.rpc.DeleteVolume({ volumeId });
  expect(wrong).toEqual([]);
});
