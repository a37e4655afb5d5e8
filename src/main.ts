#!/usr/bin/env node
import { certificatesHelp, parseCertificatesConfig } from "./certificates-config.ts";
import { nodeHelp, parseNodeConfig } from "./config.ts";
import { controllerHelp, parseControllerConfig } from "./controller-config.ts";
import { heedSignals } from "./end-signal.ts";
import { UsageError } from "./flags.ts";
import { packageVersion } from "./package-files.ts";

const help = `usage: lvm-local-csi COMMAND [FLAGS]

${nodeHelp}
${controllerHelp}
${certificatesHelp}
lvm-local-csi --version, lvm-local-csi --help
`;

await main(process.argv.slice(2));

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === "--version") return print(packageVersion());
  if (command === "--help" || args.includes("--help")) return print(help);
  try {
    void heedSignals();
    await run(command, args);
    // All is done. The connection of a caller whose machine lost its power does not end, and would keep the process until
    // the kubelet kills it: HTTP/2 sessions that were told to close wait for the other side (node, finishSessionClose).
    process.exit(0);
  } catch (error) {
    const usage = error instanceof UsageError;
    process.stderr.write(`lvm-local-csi: ${error instanceof Error ? error.message : String(error)}\n`);
    if (usage) process.stderr.write("lvm-local-csi --help tells the flags\n");
    // What has been opened by then would keep the process.
    process.exit(usage ? 2 : 1);
  }
}

/** Each role loads its own modules alone. */
async function run(command: string | undefined, args: readonly string[]): Promise<void> {
  if (command === "node") {
    const config = parseNodeConfig(args, process.env);
    const { runNode } = await import("./node-role.ts");
    await runNode(config, packageVersion());
  } else if (command === "controller") {
    const config = parseControllerConfig(args, process.env);
    const { runController } = await import("./controller-role.ts");
    await runController(config, packageVersion());
  } else if (command === "certificates") {
    const config = parseCertificatesConfig(args, process.env);
    const { runCertificates } = await import("./certificates-role.ts");
    await runCertificates(config, packageVersion());
  } else {
    throw new UsageError(`${command ?? "no command"}: the commands are: node, controller, certificates`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
