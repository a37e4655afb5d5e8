import { spawn } from "node:child_process";
import { open, readdir } from "node:fs/promises";
import { nodeCommand, onNode } from "./inside.ts";
import { runDirectory } from "./paths.ts";

const importing = ["ctr", "--namespace", "k8s.io", "images", "import", "-"];

/** Gives an image, as an archive for `docker load` or `ctr images import`, to all nodes that are on. */
export async function loadImage(archive: string): Promise<void> {
  const nodes = await nodesThatAreOn();
  await Promise.all(nodes.map((node) => importInto(node, archive)));
}

async function nodesThatAreOn(): Promise<readonly string[]> {
  const names = (await readdir(runDirectory)).filter((name) => /^node\d$/.test(name));
  const answers = await Promise.allSettled(names.map((name) => onNode(name, ["true"])));
  return names.filter((_, index) => answers[index]?.status === "fulfilled");
}

async function importInto(node: string, archive: string): Promise<void> {
  const [program, ...args] = await nodeCommand(node, importing);
  const input = await open(archive);
  const status = await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [input.fd, "ignore", "inherit"] });
    child.once("error", reject);
    child.once("close", resolve);
  });
  await input.close();
  if (status !== 0) throw new Error(`${node} could not import ${archive}`);
  // containerd does not: a power cut within half a minute would leave the image's files empty
  await onNode(node, ["sync"]);
}
