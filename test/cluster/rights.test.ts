import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor, rightsOf } from "./audit.ts";
import { claim, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";

/** Used only in trouble, which other files make, and then look for it. */
const forTrouble = new Set([
  // the volume to be deleted is on a node that the watch has not: node-gone.test.ts
  "get nodes",
  // the node that the scheduler chose was full after all: full-node.test.ts
  "update persistentvolumeclaims",
]);

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("rights");
  await scene.apply(claim("data", "64Mi"), pod("user", "data"));
  await scene.running("user");
  await scene.grow("data", "96Mi");
  await scene.remove("pod/user", "pvc/data");
});

afterAll(() => scene.close());

test("no account of the driver asks for what it may not do", async () => {
  const driver = new Set(["certificates", "controller", "node"].map((role) => accountOf(role as "node")));
  const refused = (await requests()).filter(
    ({ user, responseStatus }) => driver.has(user.username) && responseStatus?.code === 403,
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
