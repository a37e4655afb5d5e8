import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor, rightsOf } from "./audit.ts";
import { knownRoom } from "./capacities.ts";
import { kubectl } from "./inside.ts";
import { claim, pod, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";

/** Used only in trouble, which other files make, and then look for it. */
const forTrouble = new Set([
  // the volume to be deleted is on a node that the watch has not: node-gone.test.ts
  "get nodes",
  // the node that the scheduler chose was full after all: full-node.test.ts
  "update persistentvolumeclaims",
  "patch events",
]);

const className = "test-rights";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("rights");
  await scene.apply(claim("data", "64Mi"), pod("user", "data"));
  await scene.running("user");
  await scene.grow("data", "96Mi");
  const { name } = await scene.volumeOf("data");
  await scene.remove("pod/user", "pvc/data");
  await kubectl(["wait", "--for=delete", "--timeout=120s", `pv/${name}`]);
  await scene.apply(storageClass(className, {}));
  await until("its room is known", async () => expect((await knownRoom(className)).size).toBeGreaterThan(0));
  await kubectl(["delete", "storageclass", className]);
  await until("its room is forgotten", async () => expect((await knownRoom(className)).size).toBe(0));
});

afterAll(() => scene.close());

test("no account of the driver asks for what it may not do", async () => {
  const driver = new Set(["certificates", "controller", "node"].map((role) => accountOf(role as "node")));
  const refused = (await requests()).filter(
    ({ user, responseStatus }) =>
      // of a namespace that is being deleted the same code says that nothing can be made in it any more
      driver.has(user.username) &&
      responseStatus?.code === 403 &&
      !responseStatus.message?.includes("being terminated"),
  );
  expect(refused.map(rightFor)).toEqual([]);
});

test.each(["controller", "certificates"] as const)("the account %s has no right that it does not use", async (role) => {
  const asked = (await requests()).filter(({ user }) => user.username === accountOf(role));
  const used = new Set(asked.map(rightFor));
  const rights = await rightsOf(`lvm-local-csi-${role}`);
  expect(rights.length).toBeGreaterThan(0);
  expect(rights.filter((right) => !used.has(right) && !forTrouble.has(right))).toEqual([]);
});

test("the nodes' account asks for nothing at all", async () => {
  const asked = (await requests()).filter(({ user }) => user.username === accountOf("node"));
  expect(asked.map(rightFor)).toEqual([]);
});
