import { printable } from "../errors.ts";
import type { ProgramResult } from "../host/host.ts";

const LINES = 8;
const LONGEST = 600;

/**
 * How a program ended, for an error's message: the exit code and the last lines it wrote. The usage text that
 * mkfs.xfs puts after a complaint is left out, and so are bytes that a terminal or a log would act on.
 */
export function describeFailure(program: string, result: ProgramResult): string {
  const text = `${result.stdout}\n${result.stderr}`.replace(/^Usage:[^]*/m, "").replaceAll(/[^\x20-\x7e\n]/g, " ");
  const lines = text.split("\n").map((line) => line.trim());
  const last = lines.filter((line) => line !== "").slice(-LINES);
  const words = printable(last.join("; "), LONGEST);
  return `${program} ended with exit code ${result.exitCode}: ${words || "it said nothing"}`;
}
