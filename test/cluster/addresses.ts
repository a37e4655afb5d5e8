// All of these are in the cluster's own network namespace only, from which no way leads out.

export const apiServer = "10.77.0.1";
export const apiServerPort = 6443;
export const nodeNetworkBits = 24;
export const serviceNetwork = "10.96.0.0/16";
/** The address of the service `kubernetes`: the first of the network. */
export const apiService = "10.96.0.1";
export const podNetworks = "10.244.0.0/16";

/** "node1" is 1. */
export function nodeNumber(name: string): number {
  const number = Number(/^node([1-9])$/.exec(name)?.[1]);
  if (Number.isNaN(number)) throw new Error(`no node is called ${name}: they are node1, node2 and so on`);
  return number;
}

export function nodeName(number: number): string {
  return `node${number}`;
}

export function nodeAddress(name: string): string {
  return `10.77.0.${10 + nodeNumber(name)}`;
}

export function podNetwork(name: string): string {
  return `10.244.${nodeNumber(name)}.0/24`;
}

/** Where the node takes commands: see go/agent. */
export function agentAddress(name: string): string {
  return `${nodeAddress(name)}:7070`;
}
