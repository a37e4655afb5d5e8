// One family of measurements inside the laboratory: see bench.ts, which starts it.
//
//   in-lab.ts FAMILY ROUNDS FILE      writes its rows to the file
import { writeFile } from "node:fs/promises";
import { families } from "./families.ts";

const [name = "", rounds = "", file = ""] = process.argv.slice(2);
const family = families.find((one) => one.name === name);
if (family === undefined) throw new Error(`no family of measurements is called ${name}`);
await writeFile(file, JSON.stringify(await family.measure(Number(rounds))));
// what is left running goes with the laboratory
process.exit(0);
