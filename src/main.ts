#!/usr/bin/env node
import { nodeHelp, parseNodeConfig } from "./config.ts";
import { UsageError } from "./flags.ts";
import { runNode } from "./node-role.ts";
import { packageVersion } from "./package-files.ts";

const help = `usage: lvm-local-csi COMMAND [FLAGS]

${nodeHelp}
lvm-local-csi --version, lvm-local-csi --help
`;

await main(process.argv.slice(2));

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === "--version") return print(packageVersion());
  if (command === "--help" || args.includes("--help")) return print(help);
  try {
    if (command !== "node") throw new UsageError(`${command ?? "no command"}: the commands are: node`);
    await runNode(parseNodeConfig(args, process.env), packageVersion());
  } catch (error) {
    const usage = error instanceof UsageError;
    process.stderr.write(`lvm-local-csi: ${error instanceof Error ? error.message : String(error)}\n`);
    if (usage) process.stderr.write("lvm-local-csi --help tells the flags\n");
    // What has been opened by then would keep the process.
    process.exit(usage ? 2 : 1);
  }
}

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
