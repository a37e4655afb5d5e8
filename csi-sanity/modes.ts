/** One pass of csi-sanity: what kind of volume it makes all along. */
export interface Mode {
  readonly name: string;
  readonly accessType: "mount" | "block";
  /** StorageClass parameters of the volumes. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly sizeMebibytes: number;
  readonly expandedMebibytes: number;
  /** Two nodes behind the cluster's controller; the Controller service is called there, the Node service on one node. */
  readonly isRouted: boolean;
  /** How many specs run. Fewer or more is a failure, so that the suite cannot shrink unseen. */
  readonly specs: number;
}

/**
 * Of the 91 specs of csi-sanity v5.4.0 (3 identity, 59 controller, 23 node, 6 group; one more is disabled there) our
 * capabilities select these. Not selected:
 * - 10 that attach volumes (PUBLISH_UNPUBLISH_VOLUME): a local volume is not attached;
 * - 15 on snapshots and 4 on volumes made from a snapshot or a volume (CREATE_DELETE_SNAPSHOT, LIST_SNAPSHOTS,
 *   CLONE_VOLUME): they need thin volumes;
 * - 8 on volume attributes (MODIFY_VOLUME), 6 on group snapshots (GROUP_CONTROLLER_SERVICE).
 */
const selectedSpecs = 48;

/**
 * The slowest first, for they run side by side. Sizes are multiples of a physical extent (4 MiB), because specs compare the reply with the request to the byte, and
 * near the smallest that each filesystem has (xfs 300 MiB), because a mode makes 20 volumes.
 */
export const modes: readonly Mode[] = [
  filesystemMode("xfs", 320, 512),
  filesystemMode("btrfs", 128, 256),
  filesystemMode("ext4", 64, 128),
  {
    name: "block",
    accessType: "block",
    parameters: {},
    sizeMebibytes: 64,
    expandedMebibytes: 128,
    isRouted: false,
    specs: selectedSpecs,
  },
  { ...filesystemMode("ext4", 64, 128), name: "routed", isRouted: true },
];

function filesystemMode(filesystem: string, sizeMebibytes: number, expandedMebibytes: number): Mode {
  return {
    name: filesystem,
    accessType: "mount",
    parameters: { "csi.storage.k8s.io/fstype": filesystem },
    sizeMebibytes,
    expandedMebibytes,
    isRouted: false,
    specs: selectedSpecs,
  };
}

/** @throws Error naming the modes there are. */
export function modeNamed(name: string): Mode {
  const mode = modes.find((candidate) => candidate.name === name);
  if (mode === undefined) throw new Error(`no mode ${JSON.stringify(name)}: ${modes.map((m) => m.name).join(", ")}`);
  return mode;
}
