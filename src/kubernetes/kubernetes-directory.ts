import type { V1Node, V1Pod } from "@kubernetes/client-node";
import { topologyValue as topologyValueOf } from "../config.ts";
import type { Log } from "../log.ts";
import type { KnownNode, NodeDirectory } from "../remote/node-directory.ts";
import { Absences } from "./absences.ts";
import type { KubernetesClient } from "./client.ts";
import { describeFailure, refusalOf } from "./failure.ts";
import { Mirror } from "./mirror.ts";
import { betterPod, keepNode, type KeptNode, type KeptPod, keepPod } from "./objects.ts";

export interface KubernetesDirectoryOptions {
  readonly client: KubernetesClient;
  /** Where the driver's pods are. */
  readonly namespace: string;
  /** Label selector of the driver's pods on the nodes. */
  readonly nodeSelector: string;
  /** At which they take the controller's calls. */
  readonly nodePort: number;
  readonly log: Log;
  /** For so long a node must have been missing before it can count as gone. */
  readonly gracePeriodMs?: number;
  /** Milliseconds of a clock that only goes on. */
  readonly now?: () => number;
  /** Before a broken watch is asked for a second time. */
  readonly pauseMs?: number;
}

/** Objects in one answer to a list: with whole Nodes, 1 to 2 MiB. */
const pageSize = 100;

/** A DNS subdomain name: nothing else can be the name of a node. */
const nodeName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** What `topologyValue` makes of a name that is too long for a label. */
const digest = /^n-[0-9a-f]{24}$/;

/**
 * The nodes as the cluster knows them: all Nodes and the driver's own Pods are watched, so a lookup costs no request.
 * Verbs: pods list, watch in its namespace; nodes get, list, watch.
 */
export class KubernetesDirectory implements NodeDirectory {
  readonly #options: KubernetesDirectoryOptions;
  readonly #nodes: Mirror<V1Node, KeptNode>;
  readonly #pods: Mirror<V1Pod, KeptPod>;
  readonly #absences: Absences;
  readonly #gracePeriodMs: number;
  /** Reads under way, so that many deletions of one node's volumes cost one. */
  readonly #reads = new Map<string, Promise<boolean>>();

  /** Begins to watch. */
  constructor(options: KubernetesDirectoryOptions) {
    const { client, namespace, nodeSelector: labelSelector, nodePort, log, pauseMs = 1000 } = options;
    const { watch, core } = client;
    this.#options = options;
    this.#gracePeriodMs = options.gracePeriodMs ?? 60_000;
    this.#absences = new Absences(options.now ?? (() => performance.now()));
    this.#nodes = new Mirror({
      ...{ what: "nodes", watch, path: "/api/v1/nodes", labelSelector: undefined, log, pauseMs },
      list: (from) => core.listNode({ limit: pageSize, ...continued(from) }),
      keep: keepNode,
      onListed: () => this.#absences.synced(),
      onGone: (name) => this.#absences.left(topologyValueOf(name)),
    });
    this.#pods = new Mirror({
      ...{ what: "driver pods", watch, path: `/api/v1/namespaces/${namespace}/pods`, labelSelector, log, pauseMs },
      list: (from) => core.listNamespacedPod({ namespace, labelSelector, limit: pageSize, ...continued(from) }),
      keep: (pod) => keepPod(pod, nodePort),
      onGone: (_name, pod) => pod && this.#absences.left(topologyValueOf(pod.nodeName)),
    });
    this.#nodes.start();
    this.#pods.start();
  }

  /** Nodes whose driver runs, or has registered with the kubelet at some time; not those that have left the cluster. */
  nodes(): readonly KnownNode[] {
    const pods = this.#podsByNode();
    return [...this.#nodes.kept]
      .filter(([name, { hadDriver }]) => hadDriver || pods.has(name))
      .map(([name, node]) => known(node, pods.get(name)));
  }

  /** Any node that is in the cluster now. */
  find(topologyValue: string): KnownNode | undefined {
    const name = this.#nameOf(topologyValue);
    const node = name === undefined ? undefined : this.#nodes.kept.get(name);
    if (name === undefined || node === undefined) return undefined;
    return known(node, this.#podOf(name));
  }

  /**
   * False also where it cannot be told, as when the API server does not answer, and while there is a pod of the driver:
   * whoever deletes a Node so that it registers anew leaves the machine and its volumes where they are. Of a node that
   * this process never saw, the grace period begins with its first list.
   */
  async isGone(topologyValue: string): Promise<boolean> {
    const isPossible = nodeName.test(topologyValue) && topologyValueOf(topologyValue) === topologyValue;
    if (!isPossible || !this.#isMissing(topologyValue)) return false;
    const read = this.#reads.get(topologyValue) ?? this.#readIsAbsent(topologyValue);
    this.#reads.set(topologyValue, read);
    try {
      // it may have come back meanwhile
      return (await read) && this.#isMissing(topologyValue);
    } finally {
      this.#reads.delete(topologyValue);
    }
  }

  isSynced(): boolean {
    return this.#nodes.isSynced && this.#pods.isSynced;
  }

  /** Closes the client as well. */
  async close(): Promise<void> {
    this.#options.client.close();
    await Promise.all([this.#nodes.close(), this.#pods.close()]);
  }

  #isMissing(topologyValue: string): boolean {
    if (!this.isSynced() || this.#nameOf(topologyValue) !== undefined || this.#hasPod(topologyValue)) return false;
    return this.#absences.duration(topologyValue) >= this.#gracePeriodMs;
  }

  async #readIsAbsent(topologyValue: string): Promise<boolean> {
    try {
      // what is a digest may also be a name: both are in the list
      return digest.test(topologyValue)
        ? await this.#isNotListed(topologyValue)
        : await this.#isNotFound(topologyValue);
    } catch (error) {
      const fields = { node: topologyValue, reason: describeFailure(error) };
      this.#options.log.warn(fields, "whether this node is gone cannot be told");
      return false;
    }
  }

  async #isNotFound(name: string): Promise<boolean> {
    try {
      await this.#options.client.core.readNode({ name });
      return false;
    } catch (error) {
      const { code, reason, kind, name: missing } = refusalOf(error) ?? {};
      // a proxy's own 404 says nothing of the node
      if (code === 404 && reason === "NotFound" && kind === "nodes" && missing === name) return true;
      throw error;
    }
  }

  async #isNotListed(topologyValue: string): Promise<boolean> {
    let from: string | undefined;
    do {
      const page = await this.#options.client.core.listNode({ limit: pageSize, ...continued(from) });
      if (page.items.some(({ metadata }) => topologyValueOf(metadata?.name ?? "") === topologyValue)) return false;
      from = page.metadata?._continue;
    } while (from !== undefined && from !== "");
    return true;
  }

  /** Of a node in the cluster now. */
  #nameOf(topologyValue: string): string | undefined {
    const { kept } = this.#nodes;
    if (kept.get(topologyValue)?.topologyValue === topologyValue) return topologyValue;
    if (!digest.test(topologyValue)) return undefined;
    return [...kept].find(([, node]) => node.topologyValue === topologyValue)?.[0];
  }

  /** Whether there is a pod of the driver, in whatever state. */
  #hasPod(topologyValue: string): boolean {
    return [...this.#pods.kept.values()].some(({ nodeName: name }) => topologyValueOf(name) === topologyValue);
  }

  #podOf(name: string): KeptPod | undefined {
    let best: KeptPod | undefined;
    for (const pod of this.#callablePods()) if (pod.nodeName === name) best = betterPod(best, pod);
    return best;
  }

  #podsByNode(): ReadonlyMap<string, KeptPod> {
    const pods = new Map<string, KeptPod>();
    for (const pod of this.#callablePods()) pods.set(pod.nodeName, betterPod(pods.get(pod.nodeName), pod));
    return pods;
  }

  #callablePods(): readonly KeptPod[] {
    return [...this.#pods.kept.values()].filter(({ address }) => address !== undefined);
  }
}

function known({ topologyValue, isReady }: KeptNode, pod: KeptPod | undefined): KnownNode {
  return { topologyValue, address: pod?.address, isReady };
}

function continued(from: string | undefined): { _continue?: string } {
  return from === undefined ? {} : { _continue: from };
}
