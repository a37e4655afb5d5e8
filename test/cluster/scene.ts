import { driverReady } from "./driver-pods.ts";
import { kubectl } from "./inside.ts";
import type { Manifest } from "./manifests.ts";
import { CommandError } from "./shell.ts";
import { until } from "./until.ts";

/** What the tests read of pods, claims and volumes (Kubernetes API reference, v1). */
export interface Pod {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
}

export interface Claim {
  readonly spec: { readonly volumeName?: string };
  readonly status: { readonly phase: string; readonly capacity?: { readonly storage: string } };
}

export interface Volume {
  readonly spec: {
    readonly capacity: { readonly storage: string };
    readonly csi: { readonly volumeHandle: string; readonly driver: string };
  };
  readonly status: { readonly phase: string };
}

/** A namespace of the cluster for one file of tests. */
export interface Scene {
  /** The options by which kubectl works in it. */
  readonly selection: readonly string[];
  apply(...manifests: readonly Manifest[]): Promise<void>;
  /** `get("pod", "a")` */
  get<Result>(kind: string, name: string): Promise<Result>;
  /** Runs kubectl in this namespace. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** Waits until a pod runs. */
  running(pod: string, milliseconds?: number): Promise<Pod>;
  /** Runs a command in a pod. */
  exec(pod: string, ...command: readonly string[]): Promise<string>;
  /** Asks for more room for a claim, "96Mi", and waits until the claim shows it. */
  grow(claim: string, storage: string): Promise<void>;
  /** The volume of a claim. */
  volumeOf(claim: string): Promise<Volume & { readonly name: string }>;
  /** Deletes objects, "pod/a", and waits until they are gone. */
  remove(...objects: readonly string[]): Promise<void>;
  /** Deletes the namespace, and returns when it is gone with every volume that was claimed in it. */
  close(): Promise<void>;
}

export async function openScene(namespace: string): Promise<Scene> {
  const selection = ["--namespace", namespace];
  const here = (...args: readonly string[]): Promise<string> => kubectl([...selection, ...args]);
  const get = async <Result>(kind: string, name: string): Promise<Result> =>
    JSON.parse(await here("get", kind, name, "--output=json")) as Result;
  // an earlier file may have failed while the driver was away
  await driverReady();
  await kubectl(["create", "namespace", namespace]);
  // pods of a namespace without it are refused
  await until("its service account exists", () => here("get", "serviceaccount", "default"));
  return {
    selection,
    get,
    kubectl: here,
    apply: async (...manifests) => {
      const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
      await kubectl([...selection, "apply", "--filename=-"], list);
    },
    running: async (pod, milliseconds = 120_000) => {
      const timeout = `--timeout=${Math.round(milliseconds / 1000)}s`;
      try {
        // that of a StatefulSet comes a moment after it, and what is not there is not waited for
        await here("wait", "--for=create", timeout, `pod/${pod}`);
        await here("wait", "--for=jsonpath={.status.phase}=Running", timeout, `pod/${pod}`);
      } catch (error) {
        throw new Error(`${String(error)}\n${await here("describe", `pod/${pod}`)}`, { cause: error });
      }
      return get<Pod>("pod", pod);
    },
    grow: async (claim, storage) => {
      const patch = { spec: { resources: { requests: { storage } } } };
      await here("patch", "pvc", claim, `--patch=${JSON.stringify(patch)}`);
      const grown = `--for=jsonpath={.status.capacity.storage}=${storage}`;
      await here("wait", grown, "--timeout=120s", `pvc/${claim}`);
    },
    exec: (pod, ...command) => here("exec", pod, "--", ...command),
    volumeOf: async (claim) => {
      const name = (await get<Claim>("pvc", claim)).spec.volumeName ?? "";
      return { name, ...(await get<Volume>("pv", name)) };
    },
    remove: async (...objects) => {
      await here("delete", "--wait", "--timeout=120s", ...objects);
    },
    close: async () => {
      await kubectl(["delete", "namespace", namespace, "--wait", "--timeout=180s"]);
      await until("its volumes are gone", () => expectNoVolumesOf(namespace));
    },
  };
}

async function expectNoVolumesOf(namespace: string): Promise<void> {
  const fields = "jsonpath={range .items[*]}{.spec.claimRef.namespace}{' '}{.metadata.name}{'\\n'}{end}";
  const volumes = (await kubectl(["get", "pv", "--output", fields])).split("\n");
  const left = volumes.filter((line) => line.startsWith(`${namespace} `));
  if (left.length > 0) throw new CommandError("waiting for volumes to go", 1, left.join(", "));
}
