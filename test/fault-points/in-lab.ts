// What happens inside the laboratory: see fault-points.ts, which starts it.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { showTable } from "../lab/table.ts";
import { type Neighbour, type Outcome, attempt, wakeLvm } from "./attempt.ts";
import { type Operation, keptBytes, operations } from "./operations.ts";
import { type Point, recordPoints } from "./tracer.ts";
import { MiB, checkMetadata, create, newVolume, openWorld, publish, remove, writeData } from "./world.ts";

const { values } = parseArgs({
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    json: { type: "string", default: "/dev/null" },
  },
});
const every = Number(values.every);
const columns = ["operation", "points", "lost", "suspended", "unwiped", "left over", "failed"];

const world = await openWorld();
try {
  const neighbour = await makeNeighbour();
  const rows: Row[] = [];
  for (const [index, operation] of operations.entries()) {
    rows.push(await killAtEachPoint(neighbour, operation, (Number(values.from) + index) % every));
  }
  const total = rows.reduce(sum);
  console.log(`\n${showTable(columns, [...rows, { ...total, operation: "all" }].map(cellsOf))}`);
  const wrong = total.lost + total.suspended + total.unwiped + total.leftOver + total.failed;
  await writeFile(
    values.json,
    JSON.stringify([{ passed: total.points - total.wrong, failed: total.wrong, skipped: 0 }]),
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  if (process.exitCode !== 0) console.log(await world.driver.log(60));
  await world.driver.stop();
  world.csi.close();
}

interface Row {
  readonly operation: string;
  readonly points: number;
  readonly lost: number;
  readonly suspended: number;
  readonly unwiped: number;
  readonly leftOver: number;
  readonly failed: number;
  /** Points at which anything was wrong. */
  readonly wrong: number;
}

async function makeNeighbour(): Promise<Neighbour> {
  const volume = newVolume("block", keptBytes);
  await create(world, volume);
  const pod = await publish(world, volume);
  return { volume, pod, data: await writeData(pod.target, MiB) };
}

async function killAtEachPoint(neighbour: Neighbour, operation: Operation, from: number): Promise<Row> {
  const started = performance.now();
  const points = await pointsOf(operation);
  const chosen = points.filter((_, index) => index % every === from);
  let row: Row = {
    operation: operation.name,
    points: 0,
    lost: 0,
    suspended: 0,
    unwiped: 0,
    leftOver: 0,
    failed: 0,
    wrong: 0,
  };
  for (const point of chosen) {
    const outcome = await attempt(world, neighbour, operation, point);
    tell(operation, point, outcome);
    row = sum(row, rowOf(operation.name, outcome));
  }
  await checkMetadata();
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  // the number of writes varies a little: some of the last points may not be there this time
  const reached = `${row.points} of ${chosen.length} points reached, of ${points.length}`;
  console.log(`${operation.name}: ${reached}, in ${seconds} s`);
  return row;
}

/** The points of the operation, which is carried out once to find them. */
async function pointsOf(operation: Operation): Promise<readonly Point[]> {
  const subject = await operation.prepare(world);
  await wakeLvm(world);
  const points = await recordPoints(world.driver.pid, () => operation.act(world, subject));
  const faults = await operation.verify(world, subject);
  await remove(world, subject.volume);
  if (faults.length > 0) throw new Error(`${operation.name} without a kill: ${faults.join(", ")}`);
  return points;
}

function tell(operation: Operation, { systemCall, nth, label }: Point, outcome: Outcome): void {
  const { wasKilled: _, ...wrong } = outcome;
  const where = `${operation.name}, before ${label} (${systemCall} ${nth})`;
  for (const [kind, words] of Object.entries(wrong)) {
    for (const word of words) console.log(`${kind.toUpperCase()}: ${where}: ${word}`);
  }
}

function rowOf(operation: string, outcome: Outcome): Row {
  const { wasKilled, lost, suspended, unwiped, leftOver, failed } = outcome;
  const counts = {
    lost: lost.length,
    suspended: suspended.length,
    unwiped: unwiped.length,
    leftOver: leftOver.length,
    failed: failed.length,
  };
  const wrong = Object.values(counts).some((count) => count > 0) ? 1 : 0;
  return { operation, points: wasKilled ? 1 : 0, ...counts, wrong };
}

function sum(one: Row, other: Row): Row {
  return {
    operation: one.operation,
    points: one.points + other.points,
    lost: one.lost + other.lost,
    suspended: one.suspended + other.suspended,
    unwiped: one.unwiped + other.unwiped,
    leftOver: one.leftOver + other.leftOver,
    failed: one.failed + other.failed,
    wrong: one.wrong + other.wrong,
  };
}

function cellsOf({ operation, points, lost, suspended, unwiped, leftOver, failed }: Row): readonly (string | number)[] {
  return [operation, points, lost, suspended, unwiped, leftOver, failed];
}
