import { readFile } from "node:fs/promises";
import path from "node:path";

const checkout = path.resolve(import.meta.dirname, "../..");

/** How the image starts the driver, said of this machine. */
export interface ImageCommand {
  readonly program: readonly [string, ...string[]];
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The command line and the environment of the Dockerfile, with this checkout's bundle for the image's.
 * @param node the program that stands for the image's Node.js
 */
export async function imageCommand(node = process.execPath): Promise<ImageCommand> {
  const dockerfile = await readFile(path.join(checkout, "Dockerfile"), "utf8");
  const entry: unknown = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? "null");
  if (!Array.isArray(entry)) throw new Error("the Dockerfile has no ENTRYPOINT as a list");
  const [, ...args] = entry.map((word) => String(word).replace("/opt/lvm-local-csi", checkout));
  const variables = [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = "", value]) => [name, value]);
  const environment = Object.fromEntries(variables.filter(([name]) => name !== "PATH"));
  return { program: [node, ...args], environment };
}
