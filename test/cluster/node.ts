import { copyFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { nodeNumber } from "./addresses.ts";
import type { Authority } from "./keys.ts";
import { writeNodeFiles } from "./node-files.ts";
import { logDirectory, runDirectory } from "./paths.ts";
import { type Process, startProcess } from "./process.ts";
import { shell } from "./shell.ts";

const init = path.join(import.meta.dirname, "guest-init");

/** What a node is made of. */
export interface NodeMaterial {
  readonly programs: string;
  /** The directory of the Debian that it runs. */
  readonly root: string;
  /** Its first disk as it is before the first boot: see base-disk.ts. */
  readonly baseDisk: string;
  /** A file system in memory, for the node's memory and its disks. */
  readonly memoryDirectory: string;
  /** As the kernel's command line has it: "2G". */
  readonly memory: string;
  /** Size of the blank disk for the driver's volume group, as truncate(1) writes it. */
  readonly volumeGroupDisk: string;
}

/** Makes the node's disks and files anew. */
export async function makeNode(
  name: string,
  all: readonly string[],
  material: NodeMaterial,
  authority: Authority,
): Promise<void> {
  const directory = directoryOf(name);
  await writeNodeFiles(directory, name, all, authority);
  await copyFile(authority.certificate, path.join(directory, path.basename(authority.certificate)));
  await mkdir(logsOf(name), { recursive: true });
  const [state, volumeGroup] = disksOf(name, material);
  await shell("cp", ["--sparse=always", material.baseDisk, state]);
  await writeFile(volumeGroup, "");
  await shell("truncate", ["--size", material.volumeGroupDisk, volumeGroup]);
}

/**
 * Switches the node on. Its kernel is a process of this machine that traces the node's processes, which are processes
 * of this machine too: all are in a process id namespace, so that none can go on without the kernel.
 */
export async function bootNode(name: string, material: NodeMaterial): Promise<Process> {
  await mkdir(path.join(runDirectory, "uml"), { recursive: true });
  const [state, volumeGroup] = disksOf(name, material);
  const mac = `02:4c:56:4d:00:0${nodeNumber(name)}`;
  const kernel = [
    ...["linux", `mem=${material.memory}`, `uml_dir=${runDirectory}/uml/`, `umid=${name}`, "pty.legacy_count=0"],
    ...["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"],
    ...[`ubd1=${state}`, `ubd2=${volumeGroup}`, `vec0:transport=tap,ifname=${name},depth=64,gro=1,mac=${mac}`],
    ...["con=null", "con0=null,fd:1", "ssl=null", `init=${init}`],
    ...[`lab_root=${material.root}`, `lab_programs=${material.programs}`],
    ...[`lab_node=${directoryOf(name)}`, `lab_log=${logsOf(name)}`],
  ];
  // not as the namespace's first process: a kernel that panics aborts, and a first process cannot
  const namespace = ["--pid", "--fork", "--kill-child", "bash", "-c", '"$@"; exit', name];
  return startProcess({
    name,
    program: "unshare",
    args: [...namespace, ...kernel],
    log: path.join(logsOf(name), "console.log"),
    environment: { TMPDIR: material.memoryDirectory },
  });
}

function directoryOf(name: string): string {
  return path.join(runDirectory, name);
}

function logsOf(name: string): string {
  return path.join(logDirectory, name);
}

/** Waiting for this machine's own disk took a fifth of the time of the tests. */
function disksOf(name: string, { memoryDirectory }: NodeMaterial): readonly [string, string] {
  const disk = (part: string): string => path.join(memoryDirectory, `${name}-${part}.img`);
  return [disk("state"), disk("volume-group")];
}
