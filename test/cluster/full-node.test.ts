import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor } from "./audit.ts";
import { knownRoom } from "./capacities.ts";
import { onNode } from "./inside.ts";
import { claim, pod, usualClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { freeBytes, volumeGroup } from "./volumes.ts";

const MiB = 2 ** 20;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("full-node");
});

afterAll(() => scene.close());

test("when a node is fuller than the scheduler knows, the pod goes to the other one within seconds", async () => {
  // after a change that it sees, some seconds pass before the provisioner looks again
  const before = await freeBytes("node1");
  await until("the scheduler knows all of the room", () => expectKnownRoom("node1", (known) => known === before));
  await onNode("node1", ["lvcreate", "--quiet", "--yes", "--extents=8", "--name=seen", volumeGroup]);
  const free = await freeBytes("node1");
  await until("the scheduler knows the room", () => expectKnownRoom("node1", (known) => known === free));
  await onNode("node1", ["lvcreate", "--quiet", "--yes", "--extents=100%FREE", "--name=unseen", volumeGroup]);
  try {
    await expectKnownRoom("node1", (known) => known > 1024 * MiB);
    const preference = { key: "kubernetes.io/hostname", operator: "In", values: ["node1"] };
    const preferred = [{ weight: 100, preference: { matchExpressions: [preference] } }];
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
    await scene.apply(claim("moved", "1Gi"), pod("moved", "moved", { spec: { affinity } }));
    const start = performance.now();
    const { spec } = await scene.running("moved");
    const seconds = (performance.now() - start) / 1000;
    console.log(`beside a node that is fuller than known: ${seconds.toFixed(1)} s`);
    expect(spec.nodeName).toBe("node2");
    expect(seconds).toBeLessThan(30);
    // why it was not made there, with numbers
    expect(await failuresOf("moved")).toMatch(/ResourceExhausted.*vg0.*\d+/);
    // rights that are used in such trouble only: the claim goes to another node, and says once more what is done for it
    await until("it is in the audit log", async () => {
      const asked = (await requests()).filter(({ user }) => user.username === accountOf("controller"));
      const rights = ["update persistentvolumeclaims", "patch events"];
      expect(asked.map(rightFor)).toEqual(expect.arrayContaining(rights));
    });
  } finally {
    await onNode("node1", ["lvremove", "--quiet", "--yes", `${volumeGroup}/seen`, `${volumeGroup}/unseen`]);
    await scene.remove("pod/moved", "pvc/moved");
  }
  await until("the scheduler knows the room again", () => expectKnownRoom("node1", (known) => known > free));
});

test("when a node is full, the next pod goes to the one with room", async () => {
  const most = Math.floor((await freeBytes("node1")) / MiB) - 64;
  await scene.apply(claim("large", `${most}Mi`), pod("first", "large", { node: "node1" }));
  await scene.running("first");
  await until("the scheduler knows that it is full", () => expectKnownRoom("node1", (known) => known < 1024 * MiB));
  await scene.apply(claim("next", "1Gi"), pod("second", "next"));
  const start = performance.now();
  const { spec } = await scene.running("second");
  console.log(`beside a full node: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  expect(spec.nodeName).toBe("node2");
  expect(await failuresOf("next")).toBe("");
});

test("when all are full, the pod waits and says so; when space is freed, it starts", async () => {
  const most = Math.floor((await freeBytes("node2")) / MiB) - 64;
  await scene.apply(claim("rest", `${most}Mi`), pod("third", "rest", { node: "node2" }));
  await scene.running("third");
  await until("the scheduler knows that it is full", () => expectKnownRoom("node2", (known) => known < 512 * MiB));
  await scene.apply(claim("waiting", "512Mi"), pod("fourth", "waiting"));
  await scene.kubectl("wait", "--for=condition=PodScheduled=false", "--timeout=120s", "pod/fourth");
  await until("its events say why", async () => {
    expect(await scene.kubectl("describe", "pod/fourth")).toMatch(/0\/2 nodes.*did not have enough free storage/);
  });

  await scene.remove("pod/third", "pvc/rest");
  const start = performance.now();
  await scene.running("fourth");
  const seconds = (performance.now() - start) / 1000;
  console.log(`space freed until the pod runs: ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(30);
});

/** Whether the scheduler is told the right room of a node for the usual class, in bytes. */
async function expectKnownRoom(node: string, isRight: (bytes: number) => boolean): Promise<void> {
  const known = (await knownRoom(usualClass)).get(node) ?? Number.NaN;
  if (!isRight(known)) throw new Error(`known: ${known}`);
}

/** What the claim's events say of attempts that failed. */
function failuresOf(name: string): Promise<string> {
  const selector = `involvedObject.name=${name},involvedObject.kind=PersistentVolumeClaim,reason=ProvisioningFailed`;
  return scene.kubectl("get", "events", `--field-selector=${selector}`, "--output=jsonpath={.items[*].message}");
}
