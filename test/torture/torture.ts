// Cuts the power of a whole machine at random moments of a mixed load, again and again, and looks each time whether all
// that was acknowledged is there: `npm run torture -- --cycles N --seed S`. See docs/reliability.md.
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { showTable } from "../lab/table.ts";
import { countAcknowledged } from "./journal.ts";
import { type Life, liveOnce } from "./machine.ts";
import { Random } from "./random.ts";
import { openWorkshop, type Workshop } from "./workshop.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "50" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
    /** How many are tortured at once, each with disks of its own. */
    machines: { type: "string", default: String(Math.min(availableParallelism(), 2)) },
    /** Where the counts are written for test/run.ts. */
    json: { type: "string" },
  },
});
const cycles = Number(values.cycles);
const machines = Number(values.machines);
if (!(cycles >= 1) || !(machines >= 1)) throw new Error("--cycles and --machines are numbers from 1");

const totals = {
  cycles: 0,
  "faults injected": 0,
  "volumes acknowledged": 0,
  "expansions acknowledged": 0,
  "deletions acknowledged": 0,
  "writes acknowledged": 0,
  lost: 0,
  leaked: 0,
  leftovers: 0,
  "unclean filesystems": 0,
};
let begun = 0;
let failed = false;
const started = performance.now();

console.log(`torture: ${cycles} cycles on ${machines} machines, seed ${values.seed}`);
const workshop = await openWorkshop();
await Promise.all(Array.from({ length: machines }, (_, index) => tortureMachine(workshop, `machine${index}`)));
console.log(`\n${showTable(["", "count"], Object.entries(totals))}`);
if (failed) {
  console.log(`\nFAILED. The disks and journals are kept in ${path.dirname(path.dirname(workshop.driver))}.`);
  console.log(`To repeat: npm run torture -- --cycles ${cycles} --machines ${machines} --seed ${values.seed}`);
  process.exitCode = 1;
} else {
  await workshop.remove();
}
if (values.json !== undefined) {
  await writeFile(values.json, JSON.stringify([{ passed: totals.cycles, failed: failed ? 1 : 0, skipped: 0 }]));
}

/** Cuts the power of one machine as long as cycles are to be done, and clears it out at the end. */
async function tortureMachine({ driver, inLab, makeMachine }: Workshop, name: string): Promise<void> {
  const machine = { ...(await makeMachine(name)), inLab };
  const journal = path.join(machine.directory, "journal");
  for (let life = 0; !failed; life += 1) {
    const isLast = begun >= cycles;
    if (!isLast) begun += 1;
    const seed = `${values.seed}/${name}/${life}`;
    const assignment = { driver, journal, seed, isFirst: life === 0, isLast };
    count(await liveOnce(machine, assignment, new Random(seed)), name, life);
    if (isLast) break;
  }
  const acknowledged = countAcknowledged(journal);
  totals["volumes acknowledged"] += acknowledged.create;
  totals["expansions acknowledged"] += acknowledged.expand;
  totals["deletions acknowledged"] += acknowledged.delete;
  totals["writes acknowledged"] += acknowledged.write;
}

function count({ wasCut, findings, failures }: Life, name: string, life: number): void {
  totals.cycles += wasCut ? 1 : 0;
  totals["faults injected"] += wasCut ? 1 : 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${seconds.padStart(4)} s  ${String(totals.cycles).padStart(3)}/${cycles}  ${name}`);
  totals.lost += findings.lost.length;
  totals.leaked += findings.leaked.length;
  totals.leftovers += findings.leftovers.length;
  totals["unclean filesystems"] += findings.unclean.length;
  for (const [kind, found] of Object.entries<readonly string[]>({ ...findings, failures })) {
    for (const what of found) {
      failed = true;
      console.log(`${kind.toUpperCase()} in life ${life} of ${name}: ${what}`);
    }
  }
}
