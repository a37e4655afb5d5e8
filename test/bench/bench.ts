// Measures the driver beside a floor of the same run, in the laboratory: `npm run bench`.
//
//   npm run bench [-- [--json FILE] [--rounds N] [FAMILY...]]
//
// Prints the table, writes the same columns as JSON, and ends with 1 when a row does not hold. Fewer rounds than the
// default are for a look while something is being made faster.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { run } from "../runner/command.ts";
import { type Family, families } from "./families.ts";
import { type Row, countRow, formatTable, atMost } from "./row.ts";

const familySeconds = 1500;

const { values, positionals } = parseArgs({
  options: { json: { type: "string" }, rounds: { type: "string", default: "30" } },
  allowPositionals: true,
});
const results = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-bench."));
try {
  process.exitCode = await main();
} finally {
  await rm(results, { recursive: true });
}

async function main(): Promise<number> {
  const chosen = families.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if ((await run(process.execPath, ["image/bundle.ts"])) !== 0) return 1;
  const rows: Row[] = [];
  for (const family of chosen) {
    const start = performance.now();
    rows.push(...(await measure(family)));
    console.error(`bench: ${family.name} took ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  console.log(formatTable(rows));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);
  return rows.length > 0 && rows.every(({ holds }) => holds) ? 0 : 1;
}

/** A family that fails is a row that does not hold: the others are measured all the same. */
async function measure({ name, disks }: Family): Promise<readonly Row[]> {
  const file = path.join(results, `${name}.json`);
  const laboratory = disks.flatMap((size) => ["--disk", size]);
  const script = [process.execPath, path.join(import.meta.dirname, "in-lab.ts"), name, values.rounds, file];
  const options = [...laboratory, "--share", results, "--timeout", String(familySeconds)];
  const status = await run("test/lab/boot", [...options, "--", ...script]);
  if (status !== 0) return [countRow(`${name} could not be measured: exit status`, status, atMost(0))];
  return JSON.parse(await readFile(file, "utf8")) as Row[];
}
