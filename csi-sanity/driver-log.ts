import { readFile } from "node:fs/promises";
import path from "node:path";

/** Where the driver's log is, in the directory of a mode's results. */
export function driverLog(results: string): string {
  return path.join(results, "driver.log");
}

/** The end of the driver's log, without the calls that went well: they say nothing about what did not. */
export async function endOfDriverLog(results: string): Promise<string> {
  const log = await readFile(driverLog(results), "utf8").catch(() => "");
  const lines = log.split("\n").filter((line) => line !== "" && !line.includes('"msg":"done"'));
  return `The end of the driver's log (all of it: ${driverLog(results)}):\n${indent(lines.slice(-40).join("\n"))}`;
}

/** The text four columns to the right. */
export function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}
