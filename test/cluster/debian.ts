import { rm } from "node:fs/promises";
import { cached } from "./cached.ts";
import { shell } from "./shell.ts";

const suite = "bookworm";

/** What a node runs beside the programs of Kubernetes, and etcd. */
const nodePackages = [
  ...["btrfs-progs", "conntrack", "containerd", "containernetworking-plugins", "e2fsprogs", "etcd-server"],
  ...["iproute2", "iptables", "kmod", "lvm2", "mount", "procps", "runc", "thin-provisioning-tools", "xfsprogs"],
];

/** What the pods of the tests run. */
const toolPackages = ["busybox-static", "e2fsprogs", "mariadb-client-core", "mariadb-server-core", "procps"];

/** A directory with the Debian that nodes run. */
export function nodeRoot(): Promise<string> {
  return debian("node-root", nodePackages);
}

/** Makes the directory that becomes the image of the tests' pods. */
export async function makeToolsRoot(target: string): Promise<void> {
  await makeRoot(target, toolPackages);
  await rm(`${target}/var/lib/apt`, { recursive: true, force: true });
}

/** All that decides what makeToolsRoot() makes. */
export const toolsRootMadeOf = [suite, ...toolPackages];

function debian(name: string, packages: readonly string[]): Promise<string> {
  return cached(name, [suite, ...packages], (target) => makeRoot(target, packages));
}

async function makeRoot(target: string, packages: readonly string[]): Promise<void> {
  const documentation = ["doc", "info", "locale", "man"].map((part) => `--dpkgopt=path-exclude=/usr/share/${part}/*`);
  const options = ["--quiet", "--variant=essential", "--mode=root", `--include=${packages.join(",")}`];
  // in a mount namespace of its own: what it mounts in there must not be there when it was interrupted and we clean up
  await shell("unshare", ["--mount", "mmdebstrap", ...options, ...documentation, suite, target]);
}
