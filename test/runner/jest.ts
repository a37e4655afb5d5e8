import path from "node:path";
import { checkout } from "./command.ts";

/** Arguments of node that run jest on one project and have it report to a file. */
export function jestCommand(project: string, report: string, args: readonly string[]): readonly string[] {
  return [
    ...["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"],
    ...[path.join(checkout, "node_modules/jest/bin/jest.js"), ...args],
    ...["--json", `--outputFile=${report}`],
    // takes every word after it, so it comes last
    ...["--selectProjects", project],
  ];
}
