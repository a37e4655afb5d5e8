import { expect, test } from "@jest/globals";
import { shakeHands, wouldAgree } from "./handshake.fixture.ts";
import { day, Years } from "./years.fixture.ts";

const start = Date.UTC(2026, 0, 1);

test.each([1, 2])(
  "over five years, with kills and two replicas, any two sides understand each other (%i)",
  async (seed) => {
    const life = new Years(seed, start);
    const found = watch(life);
    await life.run(start + 5 * 365 * day, found.look);
    expect(found.problems).toEqual([]);
    expect(found.pairs).toBeGreaterThan(1500);
    // in spite of all that happened, four authorities and a certificate every two months were made in time
    expect(authorities(life)).toBe(4);
    expect(life.versions.node.length).toBeGreaterThan(30);
    expect(life.kills).toBeGreaterThan(20);
    expect(life.conflicts).toBeGreaterThan(0);
  },
);

test("thirty times from one authority to the next and its last farewell", async () => {
  let pairs = 0;
  let conflicts = 0;
  for (let seed = 100; seed < 130; seed += 1) {
    const life = await beforeTheNext(seed, start);
    const found = watch(life);
    await life.run(life.now + 210 * day, found.look);
    expect(found.problems).toEqual([]);
    expect(authorities(life)).toBe(2);
    expect(life.versions.node.at(-1)?.data["ca.crt"]?.match(/BEGIN/g)).toHaveLength(1);
    pairs += found.pairs;
    conflicts += life.conflicts;
  }
  expect(pairs).toBeGreaterThan(3000);
  expect(conflicts).toBeGreaterThan(15);
});

test("whenever a Secret changes on the way from one authority to the next, real handshakes succeed", async () => {
  let handshakes = 0;
  for (const seed of [300, 301, 302]) {
    for (const moment of await changes(seed)) {
      // the same life again, so much earlier that this moment is now: OpenSSL knows no other time
      const life = await beforeTheNext(seed, Date.now() - moment);
      await life.run(Date.now());
      for (const [controller, node] of life.pairs()) {
        expect(await shakeHands(controller.data, node.data)).toBe("TLSv1.3");
        handshakes += 1;
      }
    }
  }
  expect(handshakes).toBeGreaterThan(50);
});

/** Two months before the first authority makes way for the next, just when certificates are renewed as well. */
async function beforeTheNext(seed: number, from: number): Promise<Years> {
  const life = new Years(seed, from);
  await life.settle(0);
  const minutes = (seed % 30) - 11;
  await life.settle(426.667 * day + minutes * 60_000);
  return life;
}

/** A second after each change, in milliseconds after the start. */
async function changes(seed: number): Promise<readonly number[]> {
  const life = await beforeTheNext(seed, start);
  const from = life.now;
  await life.run(life.now + 210 * day);
  const all = [...life.versions.controller, ...life.versions.node];
  return all.filter((version) => version.from > from).map((version) => version.from + 1000 - start);
}

function watch(life: Years): { readonly problems: string[]; pairs: number; look: () => void } {
  const found = {
    problems: [] as string[],
    pairs: 0,
    look: (): void => {
      for (const [controller, node] of life.pairs()) {
        found.pairs += 1;
        if (wouldAgree(controller.data, node.data, new Date(life.now))) continue;
        const [one, other] = [controller, node].map(({ from }) => new Date(from).toISOString());
        found.problems.push(`${new Date(life.now).toISOString()}: the controller of ${one}, the node of ${other}`);
      }
    },
  };
  return found;
}

function authorities(life: Years): number {
  const bundles = life.versions.node.map(({ data }) => data["ca.crt"] ?? "");
  return new Set(bundles.flatMap((bundle) => bundle.match(/-----BEGIN[^-]*-----[^-]*/g) ?? [])).size;
}
