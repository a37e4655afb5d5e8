import { createHash } from "node:crypto";
import { Flags, type ListenAddress, type LogLevel, logLevels } from "./flags.ts";

/** How the node role is to run. Everything is checked and defaulted here, once. */
export interface NodeConfig {
  /** Path of the Unix socket that the driver serves. */
  readonly socketPath: string;
  readonly nodeName: string;
  /** The allow-list; the first is the default. */
  readonly volumeGroups: readonly [string, ...string[]];
  /** Kept free in each volume group. */
  readonly reserve: Reserve;
  readonly kubeletDirectory: string;
  /** Where LVM keeps its locks: the host's directory, so that both take the same ones. */
  readonly lockDirectory: string;
  /** Where copies of the volume groups' metadata are kept, if anywhere. */
  readonly backupDirectory: string | undefined;
  /** Where the controller's calls are taken, if anywhere. */
  readonly remoteListen: ListenAddress | undefined;
  /** Holds the node's certificate, its key and the certificates of who may sign the controller's. */
  readonly tlsDirectory: string | undefined;
  /** Path of the socket by which the kubelet finds the driver, if it is to. */
  readonly registrationSocket: string | undefined;
  /** Where health and metrics are served, if anywhere. */
  readonly httpListen: ListenAddress | undefined;
  readonly logLevel: LogLevel;
}

export type Reserve = { readonly bytes: number } | { readonly percent: number };

export const nodeHelp = `lvm-local-csi node: the CSI services of one node, on a Unix socket

  --csi-endpoint unix:///PATH    where to listen (or CSI_ENDPOINT)
  --node-name NAME               this node's name in the cluster (or NODE_NAME)
  --volume-group NAME            a volume group that the driver may use; repeat for more, the first is the default
  --reserve BYTES|PERCENT%       kept free in each volume group (default 0)
  --kubelet-directory PATH       below it lie all staging and target paths (default /var/lib/kubelet)
  --lvm-lock-directory PATH      LVM's lock directory, the one that the host uses (default /run/lock/lvm)
  --backup-directory PATH        keep a few copies of each volume group's metadata here (default: none)
  --remote-listen HOST:PORT      take the controller's calls here, over mutual TLS (default: none)
  --tls-directory PATH           tls.crt, tls.key and ca.crt for --remote-listen
  --registration-socket PATH     tell the kubelet of the driver here, in its plugins_registry (default: none)
  --http-listen HOST:PORT        serve /healthz, /readyz and /metrics here (default: none)
  --log-level LEVEL              ${logLevels.join(", ")} (default info)
`;

const nodeFlags = [
  "csi-endpoint",
  "node-name",
  "volume-group",
  "reserve",
  "kubelet-directory",
  "lvm-lock-directory",
  "backup-directory",
  "remote-listen",
  "tls-directory",
  "registration-socket",
  "http-listen",
  "log-level",
];

/** Longest logical volume name that the driver makes: "pvc-" and a uuid. */
const longestVolumeName = 40;
const longestVolumeId = 128;

/**
 * Reads the node role's flags, with `CSI_ENDPOINT` and `NODE_NAME` from the environment where a flag is absent.
 * @throws UsageError naming every unknown flag and bad value at once.
 */
export function parseNodeConfig(args: readonly string[], environment: NodeJS.ProcessEnv): NodeConfig {
  const flags = new Flags(args, nodeFlags);
  const socketPath = flags.endpoint(environment);
  const nodeName = readNodeName(flags, environment);
  const config: NodeConfig = {
    socketPath,
    nodeName,
    volumeGroups: readVolumeGroups(flags, nodeName),
    reserve: readReserve(flags),
    kubeletDirectory: flags.path("kubelet-directory") ?? "/var/lib/kubelet",
    lockDirectory: flags.path("lvm-lock-directory") ?? "/run/lock/lvm",
    backupDirectory: flags.path("backup-directory"),
    remoteListen: flags.listen("remote-listen"),
    tlsDirectory: flags.path("tls-directory"),
    registrationSocket: flags.socket("registration-socket"),
    httpListen: flags.listen("http-listen"),
    logLevel: flags.logLevel(),
  };
  if (config.remoteListen !== undefined && config.tlsDirectory === undefined) {
    flags.problem("--tls-directory: missing; --remote-listen takes calls over mutual TLS only");
  }
  flags.requireNone();
  return Object.freeze(config);
}

/** The one key of the driver's topology segments. The kubelet makes it a label of the Node, too. */
export const topologyKey = "topology.lvm.local.csi/node";

/**
 * The node's value of the topology segment, and the first part of its volume ids: its name, or a digest where the
 * name is longer than a label value may be (63 bytes, Kubernetes label syntax).
 */
export function topologyValue(nodeName: string): string {
  if (nodeName.length <= 63) return nodeName;
  return `n-${createHash("sha256").update(nodeName).digest("hex").slice(0, 24)}`;
}

function readNodeName(flags: Flags, environment: NodeJS.ProcessEnv): string {
  const text = flags.text("node-name") ?? environment["NODE_NAME"];
  // A DNS subdomain name, as Kubernetes requires of node names.
  if (text !== undefined && text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text)) return text;
  flags.problem(`--node-name: ${text === undefined ? "missing" : `${JSON.stringify(text)} is not a node name`}`);
  return "";
}

function readVolumeGroups(flags: Flags, nodeName: string): NodeConfig["volumeGroups"] {
  const names = flags.texts("volume-group");
  if (names.length === 0) flags.problem("--volume-group: missing; name at least one volume group");
  if (new Set(names).size < names.length) flags.problem("--volume-group: a name is given twice");
  const longest = longestVolumeId - topologyValue(nodeName).length - longestVolumeName - 2;
  for (const name of names) {
    // lvm(8): letters, digits and + _ . -, not beginning with a hyphen, and neither "." nor "..".
    if (!/^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$/.test(name) || name === "." || name === "..") {
      flags.problem(`--volume-group: ${JSON.stringify(name)} is not a volume group name`);
    } else if (name.length > longest) {
      flags.problem(`--volume-group: ${name} is longer than ${longest} characters, volume ids would exceed 128 bytes`);
    }
  }
  const [first = "", ...others] = names;
  return [first, ...others];
}

function readReserve(flags: Flags): Reserve {
  const text = flags.text("reserve") ?? "0";
  const [, digits, percent] = /^(\d+)(%?)$/.exec(text) ?? [];
  const amount = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(amount) || (percent === "%" && amount > 99)) {
    flags.problem(`--reserve: ${JSON.stringify(text)}; give bytes such as 1073741824, or 0% to 99%`);
  }
  return percent === "%" ? { percent: amount } : { bytes: amount };
}
