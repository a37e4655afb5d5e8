import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { VolumeError } from "../errors.ts";
import { type Manner, anyCall, simulatedCluster, volumeRequest } from "./simulated-cluster.fixture.ts";

type Cluster = ReturnType<typeof simulatedCluster>;

const threeNodes = ["n1", "n2", "n3"];
const names = [1, 2].map((digit) => `pvc-00000000-0000-0000-0000-00000000000${digit}`);
const manners: readonly Manner[] = [
  "up",
  "down",
  "silent",
  "losesCalls",
  "losesAnswers",
  "slow",
  "lacksGroup",
  "untrusted",
];

const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ manner: fc.constantFrom(...manners) }) },
  fc.record({ isReady: fc.boolean() }),
  fc.record({ hasDriver: fc.boolean() }),
  fc.record({ room: fc.nat(2) }),
);

const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ claim: fc.nat(1) }) },
  { weight: 5, arbitrary: fc.record({ node: fc.nat(2), change }) },
  // a person takes the claim's node away, or the scheduler thinks of another
  { weight: 2, arbitrary: fc.record({ moved: fc.nat(1) }) },
);

/** A claim, as the scheduler and csi-provisioner treat it. */
interface Claim {
  readonly name: string;
  readonly nodeNames: readonly string[];
  /** Undefined where the volume may be anywhere. */
  node: number | undefined;
  isBound: boolean;
}

test.each([
  ["with a node chosen beforehand", 0, threeNodes],
  ["anywhere", undefined, threeNodes],
  ["with the only node chosen", 0, ["n1"]],
  ["anywhere, with one node", undefined, ["n1"]],
])(
  "whatever nodes do, a claim has one volume, and gets it when they work again: %s",
  async (_case, start, nodeNames) => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
        const cluster = simulatedCluster(...nodeNames);
        const claims = names.map((name): Claim => ({ name, nodeNames, node: start, isBound: false }));
        for (const step of acts) {
          await carryOut(cluster, claims, step);
          expectOneVolumeEach(cluster);
        }
        for (const node of cluster.nodes)
          Object.assign(node, { manner: "up", isReady: true, hasDriver: true, room: 2 });
        for (const claim of claims) await provisionTillBound(cluster, claim);
        expectOneVolumeEach(cluster);
      }),
      { numRuns: 1000 },
    );
  },
);

type Act = typeof act extends fc.Arbitrary<infer Step> ? Step : never;

async function carryOut(cluster: Cluster, claims: readonly Claim[], step: Act): Promise<void> {
  if ("change" in step) return void Object.assign(cluster.nodes[step.node] ?? {}, step.change);
  const claim = claims["claim" in step ? step.claim : step.moved];
  if (claim === undefined) return;
  if ("claim" in step) await provision(cluster, claim);
  else moveOn(claim);
}

function moveOn(claim: Claim): void {
  if (claim.node !== undefined) claim.node = (claim.node + 1) % claim.nodeNames.length;
}

/** One attempt. The codes mean what csi-provisioner makes of them (checkError, rescheduling). */
async function provision(cluster: Cluster, claim: Claim): Promise<void> {
  const nodes = claim.node === undefined ? undefined : [claim.nodeNames[claim.node] ?? ""];
  try {
    await cluster.service.CreateVolume?.(volumeRequest(claim.name, nodes), anyCall);
    claim.isBound = true;
  } catch (error) {
    if (!(error instanceof VolumeError)) throw error;
    if (error.kind === "resourceExhausted" || error.kind === "alreadyExists") moveOn(claim);
  }
}

async function provisionTillBound(cluster: Cluster, claim: Claim): Promise<void> {
  claim.isBound = false;
  for (let attempt = 0; attempt < 10 && !claim.isBound; attempt += 1) await provision(cluster, claim);
  expect(claim.isBound).toBe(true);
}

function expectOneVolumeEach(cluster: Cluster): void {
  for (const name of names) {
    const holders = cluster.nodes.filter((node) => node.volumes.has(name)).map((node) => node.name);
    expect({ name, holders }).toEqual({ name, holders: holders.slice(0, 1) });
  }
}
