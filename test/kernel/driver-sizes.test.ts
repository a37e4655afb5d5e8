import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { CreateVolumeRequest } from "../../src/csi/generated/csi/v1/CreateVolumeRequest.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  logicalVolumeOf,
  mountCapability,
  openWorld,
  shell,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld(3);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

function request(change: CreateVolumeRequest = {}) {
  const standard = {
    name: claimName(),
    capacityRange: { requiredBytes: 64 * MiB },
    volumeCapabilities: [mountCapability()],
  };
  return { ...standard, ...change };
}

const striped = { layout: "striped", stripes: "3" };

test.each<[string, CreateVolumeRequest, number]>([
  ["a byte is an extent", { capacityRange: { requiredBytes: 1 }, volumeCapabilities: [blockCapability()] }, 4 * MiB],
  ["a byte over", { capacityRange: { requiredBytes: 64 * MiB + 1 } }, 68 * MiB],
  ["whole extents", { capacityRange: { requiredBytes: 64 * MiB, limitBytes: 64 * MiB } }, 64 * MiB],
  ["a limit between", { capacityRange: { requiredBytes: 62 * MiB, limitBytes: 65 * MiB } }, 64 * MiB],
  ["only a limit", { capacityRange: { limitBytes: 63 * MiB } }, 60 * MiB],
  ["no size", { capacityRange: null, parameters: { volumeGroup: "" } }, 1024 * MiB],
  ["stripes", { parameters: striped }, 72 * MiB],
  ["only a limit, stripes", { parameters: striped, capacityRange: { limitBytes: 71 * MiB } }, 60 * MiB],
  ["least of ext4", { capacityRange: { requiredBytes: 1 } }, 16 * MiB],
  ["least of xfs", { capacityRange: { requiredBytes: MiB }, volumeCapabilities: [mountCapability("xfs")] }, 300 * MiB],
  [
    "least of btrfs",
    { capacityRange: { limitBytes: 112 * MiB }, volumeCapabilities: [mountCapability("btrfs")] },
    112 * MiB,
  ],
])("%s", async (_, change, size) => {
  const parameters = change.parameters?.["volumeGroup"] === "" ? {} : (change.parameters ?? {});
  const { volume } = await world.rpc.CreateVolume(request({ ...change, parameters }));
  expect(volume?.capacityBytes).toBe(String(size));
  const lvs = await shell("lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "lv_size", lvOf(volume?.volumeId));
  expect(Number(lvs)).toBe(size);
  await world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
});

function lvOf(volumeId = ""): string {
  return `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`;
}

function create(change: CreateVolumeRequest) {
  return () => world.rpc.CreateVolume(request(change));
}

test("a limit below the smallest volume is out of range, and says what the smallest is", async () => {
  const block = [blockCapability()];
  const calls: readonly BadCall[] = [
    [
      "extent",
      /has 4194304 bytes/,
      create({ capacityRange: { limitBytes: MiB }, volumeCapabilities: block }),
      "OUT_OF_RANGE",
    ],
    [
      "rounding",
      /has 67108864 bytes/,
      create({ capacityRange: { requiredBytes: 62 * MiB, limitBytes: 63 * MiB } }),
      "OUT_OF_RANGE",
    ],
    [
      "stripes",
      /has 12582912 bytes/,
      create({
        capacityRange: { requiredBytes: 8 * MiB, limitBytes: 8 * MiB },
        volumeCapabilities: block,
        parameters: striped,
      }),
      "OUT_OF_RANGE",
    ],
    [
      "xfs",
      /at least 314572800/,
      create({
        capacityRange: { requiredBytes: MiB, limitBytes: 299 * MiB },
        volumeCapabilities: [mountCapability("xfs")],
      }),
      "OUT_OF_RANGE",
    ],
    ["ext4", /at least 16777216/, create({ capacityRange: { limitBytes: 15 * MiB } }), "OUT_OF_RANGE"],
  ];
  expect(await wrongAnswers(calls)).toEqual([]);
});

test("a repeated CreateVolume: what is compatible is the same volume, what is not is refused with the difference", async () => {
  const first = request({
    parameters: {
      wipe: "zero",
      mkfsOptions: "-m 1",
      "csi.storage.k8s.io/pvc/name": "a",
      "csi.storage.k8s.io/pvc/namespace": "b",
    },
  });
  const { volume } = await world.rpc.CreateVolume(first);
  const parameters = { wipe: "zero", mkfsOptions: "-m 1" };
  const again = (change: CreateVolumeRequest) => () => world.rpc.CreateVolume({ ...first, parameters, ...change });
  const same: readonly CreateVolumeRequest[] = [
    {},
    { capacityRange: { requiredBytes: 61 * MiB, limitBytes: 64 * MiB } },
    { capacityRange: null },
    {
      volumeCapabilities: [
        mountCapability("", "SINGLE_NODE_SINGLE_WRITER"),
        mountCapability("ext4", "SINGLE_NODE_READER_ONLY", ["noatime"]),
      ],
    },
    {
      parameters: {
        ...parameters,
        initialize: "auto",
        layout: "linear",
        volumeGroup: world.volumeGroup,
        mkfsOptions: " -m  1 ",
      },
    },
  ];
  for (const change of same) expect(await again(change)()).toEqual({ volume });
  const other = (change: CreateVolumeRequest, message: RegExp): BadCall => [
    JSON.stringify(change),
    message,
    again(change),
    "ALREADY_EXISTS",
  ];
  const differences = [
    other({ capacityRange: { requiredBytes: 68 * MiB } }, /it has 67108864 bytes, fewer than the 71303168 required/),
    other({ capacityRange: { limitBytes: 63 * MiB } }, /it has 67108864 bytes, more than the limit of 66060288/),
    other(
      { volumeCapabilities: [mountCapability("xfs")], parameters: { wipe: "zero" } },
      /its access is ext4, not xfs/,
    ),
    other(
      { volumeCapabilities: [blockCapability()], parameters: { wipe: "zero" } },
      /its access is ext4, not raw block/,
    ),
    other({ parameters: { ...parameters, wipe: "shred:2" } }, /its wipe is zero, not shred:2/),
    other({ parameters: { ...parameters, mkfsOptions: "-m 2" } }, /its mkfsOptions is -m 1, not -m 2/),
    other({ parameters: { wipe: "zero" } }, /its mkfsOptions is/),
    other({ parameters: { ...parameters, initialize: "zero" } }, /its initialize is auto, not zero/),
    other({ parameters: { ...parameters, ...striped } }, /its stripes is 1, not 3/),
  ];
  expect(await wrongAnswers(differences)).toEqual([]);
  await world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
});

test.each([["backup"], ["lvm.local.csi"]])(
  "a logical volume of that name that is not the driver's is left alone (%s)",
  async (tag) => {
    const asked = request();
    await shell("lvcreate", "--quiet", "-Wn", "-Zn", "-l", "16", "--addtag", tag, "-n", asked.name, world.volumeGroup);
    const volumeId = `n1/${world.volumeGroup}/${asked.name}`;
    const calls: readonly BadCall[] = [
      ["create", /was not made by this driver/, () => world.rpc.CreateVolume(asked), "ALREADY_EXISTS"],
      ["delete", /was not made by this driver/, () => world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION"],
      ["get", /does not exist/, () => world.rpc.ControllerGetVolume({ volumeId }), "NOT_FOUND"],
      [
        "expand",
        /does not exist/,
        () => world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 999 * MiB } }),
        "NOT_FOUND",
      ],
    ];
    expect(await wrongAnswers(calls)).toEqual([]);
    expect(await shell("lvs", "--noheadings", "-o", "lv_tags", `${world.volumeGroup}/${asked.name}`)).toMatch(
      new RegExp(`^ *${tag}\\s*$`),
    );
    await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${asked.name}`);
  },
);

test.each([
  ["ext4", mountCapability()],
  ["raw block", blockCapability()],
])("a striped volume lies in stripes, and grows in them (%s)", async (_, capability) => {
  const asked = request({ volumeCapabilities: [capability], parameters: { ...striped, stripeSize: "128k" } });
  const volumeId = (await world.rpc.CreateVolume(asked)).volume?.volumeId ?? "";
  const segments = async (): Promise<readonly string[]> => {
    const columns = "segtype,stripes,stripesize,seg_size,devices";
    const text = await shell(
      "lvs",
      "--segments",
      "--noheadings",
      "--units",
      "m",
      "--nosuffix",
      "-o",
      columns,
      lvOf(volumeId),
    );
    return text
      .trim()
      .split("\n")
      .map((line) => line.trim().replaceAll(/\(\d+\)/g, ""));
  };
  const disks = (await segments())[0]?.split(/ +/).at(-1) ?? "";
  expect(disks.split(",").toSorted()).toEqual([...world.disks].toSorted());
  expect(await segments()).toEqual([expect.stringMatching(/^striped +3 +0\.12 +72\.00 /)]);
  const expand = (requiredBytes: number, limitBytes = 0) =>
    world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes, limitBytes } });
  expect(await expand(121 * MiB)).toMatchObject({ capacityBytes: String(132 * MiB) });
  for (const segment of await segments()) expect(segment).toMatch(/^striped +3 +0\.12 /);
  expect(await expand(100 * MiB)).toMatchObject({ capacityBytes: String(132 * MiB) });
  expect(await wrongAnswers([["limit", /volumes never shrink/, () => expand(1, 131 * MiB), "OUT_OF_RANGE"]])).toEqual(
    [],
  );
  expect(
    await wrongAnswers([["between", /has 150994944 bytes/, () => expand(133 * MiB, 143 * MiB), "OUT_OF_RANGE"]]),
  ).toEqual([]);
  expect(await world.rpc.CreateVolume(asked)).toMatchObject({ volume: { volumeId, capacityBytes: String(132 * MiB) } });
  await world.rpc.DeleteVolume({ volumeId });
});
