import { references } from "./images.ts";

/** What is given to `kubectl apply`. */
export type Manifest = object;

/** The class of `deploy/` that most tests use: ext4, WaitForFirstConsumer, expansion. */
export const usualClass = "lvm-local-csi";

export interface ClaimOptions {
  readonly storageClass?: string;
  readonly volumeMode?: "Block" | "Filesystem";
  readonly accessMode?: "ReadWriteOnce" | "ReadWriteOncePod";
}

/** A PersistentVolumeClaim of a size as Kubernetes writes it: "100Mi". */
export function claim(name: string, storage: string, options: ClaimOptions = {}): Manifest {
  return { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name }, spec: claimSpec(storage, options) };
}

/** What it does until it is told to end. */
const sleeps = ["sh", "-c", "trap exit TERM; sleep infinity & wait"];

export interface PodOptions {
  /** The node that it must run on. */
  readonly node?: string;
  /** Default: sleep. */
  readonly command?: readonly string[];
  readonly volumeMode?: "Block" | "Filesystem";
}

/** Where a pod of these tests sees its claim. */
export const mountPath = "/data";
export const devicePath = "/dev/claim";

/** A pod that uses a claim. */
export function pod(name: string, claimName: string, options: PodOptions = {}): Manifest {
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: podSpec(claimName, options) };
}

/** A StatefulSet whose pods each have a claim "data" of their own. */
export function statefulSet(name: string, replicas: number, storage: string): Manifest {
  const labels = { app: name };
  const { volumes: _, ...spec } = podSpec("data", {});
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name },
    spec: {
      replicas,
      serviceName: name,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec },
      volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claimSpec(storage, {}) }],
    },
  };
}

function claimSpec(storage: string, { storageClass, volumeMode, accessMode }: ClaimOptions): object {
  return {
    storageClassName: storageClass ?? usualClass,
    accessModes: [accessMode ?? "ReadWriteOnce"],
    volumeMode: volumeMode ?? "Filesystem",
    resources: { requests: { storage } },
  };
}

function podSpec(claimName: string, { node, command, volumeMode }: PodOptions) {
  const use =
    volumeMode === "Block"
      ? { volumeDevices: [{ name: "data", devicePath }] }
      : { volumeMounts: [{ name: "data", mountPath }] };
  return {
    terminationGracePeriodSeconds: 5,
    ...(node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": node } }),
    containers: [{ name: "main", image: references.tools, command: command ?? sleeps, ...use }],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
  };
}
