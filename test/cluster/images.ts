import { cp, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { type ImageContents, writeArchive } from "./archive.ts";
import { cached } from "./cached.ts";
import { makeToolsRoot, toolsRootMadeOf } from "./debian.ts";

/** The names by which pods ask for the images that every node has. Those of others are as their makers publish them. */
export const references = {
  pause: "lvm.local.csi/pause:1",
  provisioner: "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0",
  resizer: "registry.k8s.io/sig-storage/csi-resizer:v2.3.0",
  /** Debian with a shell, busybox and MariaDB's server and client. */
  tools: "lvm.local.csi/tools:1",
} as const;

/** What the examples of `deploy/` ask for is in that, too. */
const toolsReferences = [references.tools, "docker.io/library/busybox:1.37"];

/** Archives of all these images. `programs` is the directory that holds the programs to put into them. */
export async function images(programs: string): Promise<readonly string[]> {
  return [
    await programImage(references.pause, path.join(programs, "pause")),
    await programImage(references.provisioner, path.join(programs, "csi-provisioner")),
    await programImage(references.resizer, path.join(programs, "csi-resizer")),
    await cached("image-tools.tar", [...toolsReferences, ...toolsRootMadeOf], (target) =>
      archiveOf(target, { references: toolsReferences }, makeToolsRoot),
    ),
  ];
}

function programImage(reference: string, program: string): Promise<string> {
  const name = path.basename(program);
  // the directory's name says what the program is made of
  return cached(`image-${name}.tar`, [reference, program], (target) =>
    archiveOf(target, { references: [reference], entrypoint: [`/${name}`] }, async (root) => {
      await mkdir(root);
      await cp(program, path.join(root, name));
    }),
  );
}

async function archiveOf(
  target: string,
  image: Omit<ImageContents, "root">,
  makeRoot: (root: string) => Promise<void>,
): Promise<void> {
  const root = `${target}.root`;
  await rm(root, { recursive: true, force: true });
  try {
    await makeRoot(root);
    await writeArchive(target, { ...image, root });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
