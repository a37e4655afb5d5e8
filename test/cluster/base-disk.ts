import { chmod, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { cached } from "./cached.ts";
import { shell } from "./shell.ts";

const boot = path.resolve(import.meta.dirname, "../lab/boot");
const bytes = 12 * 2 ** 30;

/** Runs containerd of the nodes' Debian in a throwaway kernel, and has it import archives. */
const importScript = `set -eu
root=$1 disk=\${LAB_DISKS%% *}
shift
for directory in dev proc sys run tmp; do mount --rbind "/$directory" "$root/$directory"; done
mkdir -p "$root/mnt" && mount "$disk" "$root/mnt" && mkdir -p "$root/mnt/var/lib/containerd"
chroot "$root" containerd --root /mnt/var/lib/containerd --state /run/c --address /run/c.sock >/run/import.log 2>&1 &
for _ in $(seq 300); do [ -S /run/c.sock ] && break; sleep 0.1; done
for archive in "$@"; do
  chroot "$root" ctr --address /run/c.sock --namespace k8s.io images import - <"$archive" || { cat /run/import.log >&2; exit 1; }
done
kill $! && wait || true
umount "$root/mnt"
`;

/**
 * A file that holds the nodes' state disk as it is before the first boot: ext4, with the images in containerd's hands.
 * Importing them anew would take each node half a minute.
 */
export function baseDisk(nodeRoot: string, archives: readonly string[]): Promise<string> {
  // the names of both say what they are made of
  return cached("state-disk.img", [nodeRoot, ...archives, importScript], async (target) => {
    await writeFile(target, "");
    await truncate(target, bytes);
    await shell("mkfs.ext4", ["-q", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", target]);
    const work = await mkdtemp(`${target}.`);
    try {
      const script = path.join(work, "import");
      await writeFile(script, importScript);
      await chmod(script, 0o755);
      await shell(boot, ["--image", target, "--", "bash", script, nodeRoot, ...archives]);
    } finally {
      await rm(work, { recursive: true });
    }
  });
}
