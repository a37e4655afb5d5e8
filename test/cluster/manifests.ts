import { references } from "./images.ts";

/** What is given to `kubectl apply`. */
export type Manifest = object;

/** The class of `deploy/` that most tests use: ext4, WaitForFirstConsumer, expansion. */
export const usualClass = "lvm-local-csi";

export interface ClaimOptions {
  readonly storageClass?: string;
  readonly volumeMode?: "Block" | "Filesystem";
  readonly accessMode?: "ReadWriteOnce" | "ReadWriteOncePod";
  /** The PersistentVolume that it is to be bound to. Default: whichever suits, or a new one. */
  readonly volumeName?: string;
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
  /** More fields of its spec. */
  readonly spec?: object;
  /** More fields of the volume's mount. */
  readonly mount?: object;
}

/** Where a pod of these tests sees its claim. */
export const mountPath = "/data";
export const devicePath = "/dev/claim";

/** A pod that uses a claim. */
export function pod(name: string, claimName: string, options: PodOptions = {}): Manifest {
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: podSpec(claimName, options) };
}

/** A StatefulSet whose pods each have a claim "data" of their own. */
export function statefulSet(name: string, replicas: number, storage: string, options: PodOptions = {}): Manifest {
  const labels = { app: name };
  const { volumes: _, ...spec } = podSpec("data", options);
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

/** A volume of a pod that comes and goes with it. */
export function ephemeralVolume(storage: string): object {
  return { name: "data", ephemeral: { volumeClaimTemplate: { spec: claimSpec(storage, {}) } } };
}

/** Fields of a StorageClass, without its name and its provisioner. */
export interface ClassOptions {
  readonly parameters?: Readonly<Record<string, string>>;
  readonly reclaimPolicy?: "Delete" | "Retain";
  readonly volumeBindingMode?: "Immediate" | "WaitForFirstConsumer";
}

/** A StorageClass of the driver. Classes are in no namespace: the test removes it. */
export function storageClass(name: string, options: ClassOptions): Manifest {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name },
    provisioner: "lvm.local.csi",
    allowVolumeExpansion: true,
    volumeBindingMode: "WaitForFirstConsumer",
    ...options,
  };
}

function claimSpec(storage: string, options: ClaimOptions): object {
  const { storageClass: className, volumeMode, accessMode, volumeName } = options;
  return {
    storageClassName: className ?? usualClass,
    accessModes: [accessMode ?? "ReadWriteOnce"],
    volumeMode: volumeMode ?? "Filesystem",
    ...(volumeName === undefined ? {} : { volumeName }),
    resources: { requests: { storage } },
  };
}

function podSpec(claimName: string, { node, command, volumeMode, spec, mount }: PodOptions) {
  const use =
    volumeMode === "Block"
      ? { volumeDevices: [{ name: "data", devicePath }] }
      : { volumeMounts: [{ name: "data", mountPath, ...mount }] };
  return {
    terminationGracePeriodSeconds: 5,
    ...(node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": node } }),
    containers: [{ name: "main", image: references.tools, command: command ?? sleeps, ...use }],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    ...spec,
  };
}
