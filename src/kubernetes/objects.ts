import { isIPv6 } from "node:net";
import type { V1Node, V1Pod } from "@kubernetes/client-node";
import { topologyKey, topologyValue } from "../config.ts";

/** What is kept of a Node. A whole one is 10 to 20 KiB, mostly the list of its images. */
export interface KeptNode {
  readonly topologyValue: string;
  readonly isReady: boolean;
  /** Whether the driver ever registered there: the kubelet sets the label then, and never takes it away. */
  readonly hadDriver: boolean;
}

/** What is kept of a driver's Pod. */
export interface KeptPod {
  readonly nodeName: string;
  /** Where it can be called: "HOST:PORT"; undefined for one that is not yet started, has ended, or is ending. */
  readonly address: string | undefined;
  readonly isReady: boolean;
  /** Milliseconds since 1970. */
  readonly created: number;
}

export function keepNode({ metadata, status }: V1Node): KeptNode | undefined {
  if (metadata?.name === undefined) return undefined;
  return {
    topologyValue: topologyValue(metadata.name),
    isReady: isReady(status?.conditions),
    hadDriver: metadata.labels?.[topologyKey] !== undefined,
  };
}

/**
 * Undefined for one that no node has been chosen for. One that is ending takes no new calls. One that is not ready can be
 * called: a missing volume group makes it so, and its answer says so.
 * @param port where the driver takes the controller's calls
 */
export function keepPod({ metadata, spec, status }: V1Pod, port: number): KeptPod | undefined {
  if (!spec?.nodeName) return undefined;
  const isCallable = metadata?.deletionTimestamp === undefined && status?.phase === "Running";
  return {
    nodeName: spec.nodeName,
    address: isCallable ? addressOf(status.podIP, port) : undefined,
    isReady: isReady(status?.conditions),
    created: new Date(metadata?.creationTimestamp ?? 0).getTime(),
  };
}

/** Of two on one node, as while a DaemonSet is updated: the one that is ready, else the newer. */
export function betterPod(one: KeptPod | undefined, other: KeptPod): KeptPod {
  if (one === undefined) return other;
  if (one.isReady !== other.isReady) return one.isReady ? one : other;
  return one.created > other.created ? one : other;
}

function addressOf(host: string | undefined, port: number): string | undefined {
  if (!host) return undefined;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function isReady(conditions: readonly { readonly type: string; readonly status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
