/** A node of the cluster, as far as it can be told where its driver answers. */
export interface KnownNode {
  /** The value of the topology segment, and the first part of its volume ids. */
  readonly topologyValue: string;
  /** Where its driver takes Controller calls: "HOST:PORT"; undefined while no driver pod runs there. */
  readonly address: string | undefined;
  /** Whether the cluster says that the node works (condition Ready). */
  readonly isReady: boolean;
}

/** Which nodes there are. Reading it costs no call to anybody, but for `isGone`. */
export interface NodeDirectory {
  /** All nodes that are known to have, or to have had, a driver. */
  nodes(): readonly KnownNode[];
  find(topologyValue: string): KnownNode | undefined;
  /** Whether the node is positively gone: the watch has not seen it for the grace period, and a read made now says so too. */
  isGone(topologyValue: string): Promise<boolean>;
  /** Whether the first complete list has been read. */
  isSynced(): boolean;
  close(): Promise<void>;
}
