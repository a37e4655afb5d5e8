// A Kubernetes cluster on this machine, for the tests and to play with. See README.md here.
//
//   npm run cluster -- up [--nodes N] [--memory 2G] [--disk 4G]   with that much memory and volume group for each node
//   npm run cluster -- kubectl ARGUMENT...
//   npm run cluster -- node NAME -- COMMAND...    as root in the node
//   npm run cluster -- kill NAME                  cuts its power
//   npm run cluster -- start NAME                 switches it on again
//   npm run cluster -- load IMAGE.tar             gives an image to all nodes that are on
//   npm run cluster -- deploy                    the driver of this checkout, or a newer one
//   npm run cluster -- down
//   npm run cluster -- make                       makes only what clusters are made of
//   npm run cluster -- run COMMAND...             up, the command, down
import { parseArgs } from "node:util";
import { run } from "../runner/command.ts";
import { ask } from "./control.ts";
import { deployDriver } from "./deploy.ts";
import { interactively, kubectlCommand, nodeCommand } from "./inside.ts";
import { bringDown, bringUp, makeMaterial, type Size, usualSize } from "./lifetime.ts";
import { loadImage } from "./load.ts";

const start = performance.now();
const [command = "", ...args] = process.argv.slice(2);

try {
  process.exitCode = await carryOut();
} catch (error) {
  console.error(`cluster: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function carryOut(): Promise<number> {
  const [first = "", ...rest] = args;
  const commands: Record<string, () => Promise<number>> = {
    up: async () => done(bringUp(await makeMaterial(sizeFrom(args)), false, say)),
    kubectl: async () => interactively(await kubectlCommand(args)),
    node: async () => interactively(await nodeCommand(first, rest[0] === "--" ? rest.slice(1) : rest)),
    kill: () => done(ask({ ask: "kill", node: first })),
    start: () => done(ask({ ask: "start", node: first })),
    load: () => done(loadImage(first)),
    deploy: () => done(deployDriver(say)),
    down: () => done(bringDown()),
    make: () => done(makeMaterial(usualSize)),
    run: () => runWithCluster(first, rest),
  };
  const chosen = commands[command];
  if (chosen === undefined) throw new Error(`unknown command ${command}: see the head of test/cluster/cli.ts`);
  return chosen();
}

/** If this process is killed, the cluster ends with it. */
async function runWithCluster(program: string, programArgs: readonly string[]): Promise<number> {
  await bringUp(await makeMaterial(usualSize), true, say);
  try {
    return await run(program, programArgs);
  } finally {
    await bringDown();
  }
}

function sizeFrom(words: readonly string[]): Size {
  const { values } = parseArgs({
    args: [...words],
    options: { nodes: { type: "string" }, memory: { type: "string" }, disk: { type: "string" } },
  });
  return {
    nodes: values.nodes === undefined ? usualSize.nodes : Number(values.nodes),
    memory: values.memory ?? usualSize.memory,
    volumeGroupDisk: values.disk ?? usualSize.volumeGroupDisk,
  };
}

async function done(work: Promise<unknown>): Promise<number> {
  await work;
  say(`${command} done`);
  return 0;
}

function say(progress: string): void {
  console.error(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${progress}`);
}
