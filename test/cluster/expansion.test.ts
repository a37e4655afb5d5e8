import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { kubectl } from "./inside.ts";
import { claim, type ClaimOptions, devicePath, mountPath, pod, storageClass } from "./manifests.ts";
import { type Claim, openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { logicalVolumes } from "./volumes.ts";

const MiB = 2 ** 20;
const btrfsClass = "test-btrfs";

/** A sort of claim that grows under its pod; sizes in mebibytes. */
interface Sort {
  readonly name: string;
  readonly options: ClaimOptions;
  readonly from: number;
  readonly to: number;
}

const sorts: readonly Sort[] = [
  { name: "ext4", options: {}, from: 64, to: 128 },
  { name: "xfs", options: { storageClass: "lvm-local-csi-xfs" }, from: 320, to: 448 },
  { name: "btrfs", options: { storageClass: btrfsClass }, from: 256, to: 384 },
  { name: "block", options: { volumeMode: "Block" }, from: 64, to: 128 },
];

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("expansion");
  await scene.apply(storageClass(btrfsClass, { parameters: { "csi.storage.k8s.io/fstype": "btrfs" } }));
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", btrfsClass]);
});

test.each(sorts)("$name grows under a pod that writes: the pod, the claim and the volume show it", async (sort) => {
  const { name, options, from, to } = sort;
  const command = ["sh", "-c", `while :; do i=$((i + 1)); ${writeNumber(sort)}; sleep 0.2; done`];
  await scene.apply(
    claim(name, `${from}Mi`, options),
    pod(name, name, { command, volumeMode: options.volumeMode ?? "Filesystem" }),
  );
  const { spec } = await scene.running(name);
  await until("it has written", () => expectNumberAbove(sort, 0));
  const before = await seenBytes(sort);

  const start = performance.now();
  await scene.grow(name, `${to}Mi`);
  console.log(`${name}, expansion until the claim shows it: ${((performance.now() - start) / 1000).toFixed(1)} s`);

  const volume = await scene.volumeOf(name);
  expect(volume.spec.capacity.storage).toBe(`${to}Mi`);
  expect((await logicalVolumes(spec.nodeName ?? "")).get(volume.name)).toBe(to * MiB);
  expect(await seenBytes(sort)).toBeGreaterThan(before + 0.75 * (to - from) * MiB);
  const number = await writtenNumber(sort);
  await until("it goes on writing", () => expectNumberAbove(sort, number));
});

test("beyond the room the claim says why, and may be lowered again", async () => {
  const ext4 = sorts[0] as Sort;
  const beyond = { spec: { resources: { requests: { storage: "64Gi" } } } };
  await scene.kubectl("patch", "pvc", "ext4", `--patch=${JSON.stringify(beyond)}`);
  const reason = "--for=jsonpath={.status.allocatedResourceStatuses.storage}=ControllerResizeInfeasible";
  await scene.kubectl("wait", reason, "--timeout=120s", "pvc/ext4");
  await until("its events say why", async () => {
    const events = await scene.kubectl("get", "events", "--field-selector=involvedObject.name=ext4", "--output=json");
    expect(events).toMatch(/OutOfRange/);
  });

  await scene.grow("ext4", "132Mi");
  expect((await scene.get<Claim>("pvc", "ext4")).status.phase).toBe("Bound");
  const number = await writtenNumber(ext4);
  expect(number).toBeGreaterThan(0);
  await until("it goes on writing", () => expectNumberAbove(ext4, number));
});

/** A shell's command that writes $i to the volume, and waits until it is on the disk. */
function writeNumber({ options }: Sort): string {
  return options.volumeMode === "Block"
    ? `printf '%012d' $i | dd of=${devicePath} conv=notrunc,fsync status=none`
    : `echo $i >>${mountPath}/log; sync ${mountPath}/log`;
}

/** The last number that it wrote. */
async function writtenNumber({ name, options }: Sort): Promise<number> {
  const read = options.volumeMode === "Block" ? `head -c 12 ${devicePath}` : `tail -n 1 ${mountPath}/log`;
  return Number(await scene.exec(name, "sh", "-c", read));
}

async function expectNumberAbove(sort: Sort, number: number): Promise<void> {
  expect(await writtenNumber(sort)).toBeGreaterThan(number);
}

/** How large the volume is for its pod. */
async function seenBytes({ name, options }: Sort): Promise<number> {
  const look =
    options.volumeMode === "Block"
      ? `blockdev --getsize64 ${devicePath}`
      : `df --output=size -B1 ${mountPath} | tail -n 1`;
  return Number(await scene.exec(name, "sh", "-c", look));
}
