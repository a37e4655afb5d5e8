import { status } from "@grpc/grpc-js";
import { expect, test } from "@jest/globals";
import type { GetCapacityRequest__Output } from "./generated/csi/v1/GetCapacityRequest.ts";
import { type Manner, type SimulatedNode, anyCall, simulatedCluster } from "./simulated-cluster.fixture.ts";

type Cluster = ReturnType<typeof simulatedCluster>;

const volumes = [1, 2, 3].map((digit) => `pvc-00000000-0000-0000-0000-00000000000${digit}`);
const [first = ""] = volumes;
const secrets = {};

test("a volume is removed on its node", async () => {
  const cluster = filled();
  await remove(cluster, `n2/vg0/${first}`);
  expect(cluster.nodes.map((node) => node.volumes.size)).toEqual([3, 2]);
});

test("an id that cannot be the driver's: nothing is there, and no node is asked", async () => {
  const cluster = filled();
  await remove(cluster, "fake-vol-id");
  await expect(remove(cluster, "")).rejects.toMatchObject({ kind: "invalidArgument" });
  expect(cluster.nodes.map((node) => node.calls)).toEqual([[], []]);
});

test.each<[string, (node: SimulatedNode) => void]>([
  ["refuses connections", (node) => (node.manner = "down")],
  ["has no driver", (node) => (node.hasDriver = false)],
  ["is silent and not ready", (node) => Object.assign(node, { manner: "losesCalls", isReady: false })],
])("the volume of a node that %s is not said to be gone", async (_case, change) => {
  const cluster = filled();
  change(cluster.node("n1"));
  await expect(remove(cluster, `n1/vg0/${first}`)).rejects.toMatchObject({ kind: "unavailable" });
});

test("the volume went with its node when that is positively gone", async () => {
  const cluster = filled();
  cluster.node("n1").isGone = true;
  await remove(cluster, `n1/vg0/${first}`);
  expect(cluster.warnings).toHaveLength(1);
  await expect(getVolume(cluster, `n1/vg0/${first}`)).rejects.toMatchObject({ kind: "notFound" });
});

test("a node's refusal comes with its code and words", async () => {
  const cluster = filled();
  cluster.node("n1").refusal = { code: status.FAILED_PRECONDITION, details: "it is in use" };
  const failure = { kind: "failedPrecondition", message: "it is in use" };
  await expect(remove(cluster, `n1/vg0/${first}`)).rejects.toMatchObject(failure);
});

test("calls about a volume go to its node", async () => {
  const cluster = filled();
  const volumeId = `n2/vg0/${first}`;
  const capacityRange = { requiredBytes: "1", limitBytes: "0" };
  await cluster.service.ControllerExpandVolume?.({ volumeId, secrets, capacityRange, volumeCapability: null }, anyCall);
  expect(await getVolume(cluster, volumeId)).toMatchObject({ volume: { volumeId } });
  expect(cluster.nodes.map((node) => node.calls)).toEqual([[], ["ControllerExpandVolume", "ControllerGetVolume"]]);
  await expect(getVolume(cluster, "fake-vol-id")).rejects.toMatchObject({ kind: "notFound" });
  cluster.node("n2").manner = "down";
  await expect(getVolume(cluster, volumeId)).rejects.toMatchObject({ kind: "unavailable" });
});

test("the capacity of the node that is named", async () => {
  const cluster = filled();
  expect(await capacity(cluster, "n1")).toMatchObject({ availableCapacity: "7", maximumVolumeSize: { value: "7" } });
});

test.each<[string, (node: SimulatedNode) => void]>([
  ["refuses connections", (node) => (node.manner = "down")],
  ["has no driver", (node) => (node.hasDriver = false)],
  ["is not ready", (node) => (node.isReady = false)],
  ["is gone", (node) => (node.isGone = true)],
])("a node that %s has room for nothing", async (_case, change) => {
  const cluster = filled();
  change(cluster.node("n1"));
  expect(await capacity(cluster, "n1")).toMatchObject({ availableCapacity: "0", maximumVolumeSize: { value: "0" } });
});

test.each<[string, Manner]>([
  ["was asked and does not answer", "losesAnswers"],
  ["is there and does not trust the controller", "untrusted"],
])("a node that %s has an unknown capacity", async (_case, manner) => {
  const cluster = filled();
  cluster.node("n1").manner = manner;
  await expect(capacity(cluster, "n1")).rejects.toMatchObject({ kind: "unavailable" });
});

test("a caller without time learns nothing of a capacity", async () => {
  const cluster = filled();
  cluster.node("n1").manner = "down";
  const call = { ...anyCall, deadline: Date.now() + 100 };
  const asked = cluster.service.GetCapacity?.(capacityRequest("n1"), call);
  await expect(asked).rejects.toMatchObject({ kind: "deadlineExceeded" });
});

test("the capacity of all nodes: their sum, and the largest volume", async () => {
  const cluster = filled();
  cluster.node("n2").room = 5;
  expect(await capacity(cluster)).toMatchObject({ availableCapacity: 9, maximumVolumeSize: { value: 7 } });
});

test("volumes of all nodes in one list", async () => {
  const cluster = filled();
  const all = ["n1", "n2"].flatMap((node) => volumes.map((volume) => `${node}/vg0/${volume}`));
  expect(await list(cluster, 0)).toEqual({ ids: all, nextToken: "" });
  for (const most of [1, 2, 3, 4, 6, 7]) expect(await pages(cluster, most)).toEqual(all);
});

test("a page that ends with the last volume of all is the last one", async () => {
  const cluster = filled();
  cluster.node("n2").volumes.clear();
  expect((await list(cluster, 3)).nextToken).toBe("");
});

test("volumes and nodes may go between two pages", async () => {
  const cluster = filled();
  const { nextToken } = await list(cluster, 2);
  cluster.node("n1").volumes.delete(volumes[1] ?? "");
  expect((await list(cluster, 2, nextToken)).ids).toEqual([`n1/vg0/${volumes[2]}`, `n2/vg0/${first}`]);
  cluster.node("n1").isGone = true;
  expect((await list(cluster, 2, nextToken)).ids).toEqual([`n2/vg0/${first}`, `n2/vg0/${volumes[1]}`]);
});

test("a list without a node that cannot be asked would say that its volumes are gone", async () => {
  const cluster = filled();
  cluster.node("n2").manner = "down";
  const failure = { kind: "unavailable", message: expect.stringContaining("node n2") };
  for (const most of [0, 3, 10]) await expect(list(cluster, most)).rejects.toMatchObject(failure);
});

test.each(["nonsense", Buffer.from("N1 x").toString("base64url"), "!"])(
  "token %j is not the driver's",
  async (token) => {
    await expect(list(filled(), 1, token)).rejects.toMatchObject({ kind: "aborted" });
  },
);

test.each([
  ["all nodes are known", (cluster: Cluster) => cluster.unsync()],
  ["there is a certificate", (cluster: Cluster) => cluster.loseCertificates()],
])("before %s nothing is said of any", async (_case, change) => {
  const cluster = filled();
  change(cluster);
  const failure = { kind: "unavailable" };
  await expect(list(cluster, 0)).rejects.toMatchObject(failure);
  await expect(capacity(cluster, "n3")).rejects.toMatchObject(failure);
  await expect(capacity(cluster)).rejects.toMatchObject(failure);
  await expect(remove(cluster, `n3/vg0/${first}`)).rejects.toMatchObject(failure);
  await expect(getVolume(cluster, `n3/vg0/${first}`)).rejects.toMatchObject(failure);
});

function filled(): Cluster {
  const cluster = simulatedCluster("n1", "n2");
  for (const node of cluster.nodes) for (const volume of volumes) node.volumes.set(volume, true);
  return cluster;
}

async function remove({ service }: Cluster, volumeId: string): Promise<void> {
  await service.DeleteVolume?.({ volumeId, secrets }, anyCall);
}

async function getVolume({ service }: Cluster, volumeId: string): Promise<unknown> {
  return service.ControllerGetVolume?.({ volumeId }, anyCall);
}

async function capacity({ service }: Cluster, node?: string): Promise<unknown> {
  return service.GetCapacity?.(capacityRequest(node), anyCall);
}

function capacityRequest(node?: string): GetCapacityRequest__Output {
  const accessibleTopology = node === undefined ? null : { segments: { "topology.lvm.local.csi/node": node } };
  return { volumeCapabilities: [], parameters: {}, accessibleTopology };
}

async function list({ service }: Cluster, maxEntries: number, startingToken = "") {
  const answer = await service.ListVolumes?.({ maxEntries, startingToken }, anyCall);
  const ids = (answer?.entries ?? []).map(({ volume }) => volume?.volumeId);
  return { ids, nextToken: answer?.nextToken ?? "" };
}

async function pages(cluster: Cluster, most: number) {
  const found: unknown[] = [];
  for (let token: string | undefined; token !== "";) {
    const { ids, nextToken } = await list(cluster, most, token);
    expect(ids.length).toBeLessThanOrEqual(most);
    found.push(...ids);
    token = nextToken;
  }
  return found;
}
