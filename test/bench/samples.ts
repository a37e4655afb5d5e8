/** Rounds at the start whose times are thrown away: files are not in memory yet, code is not compiled. */
const warmUps = 2;

/** Milliseconds that the work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Takes so many samples of each kind, in turns, so that all of them see the machine at its good and bad moments.
 * @param takers each does its work and answers with the milliseconds of the part that counts
 */
export async function interleaved<Kind extends string>(
  rounds: number,
  takers: Readonly<Record<Kind, () => Promise<number>>>,
): Promise<Readonly<Record<Kind, readonly number[]>>> {
  const kinds = Object.keys(takers) as Kind[];
  const samples = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
  for (let round = -warmUps; round < rounds; round += 1) {
    // nobody always comes after the same other
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const milliseconds = await takers[kind]();
      if (round >= 0) samples[kind].push(milliseconds);
    }
  }
  return samples;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** The smallest sample that so many percent of the samples do not exceed. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
  if (value === undefined) throw new Error("no samples were taken");
  return value;
}
