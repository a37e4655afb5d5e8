import { writeFile } from "node:fs/promises";
import { apiServer, nodeAddress, nodeNetworkBits, podNetwork } from "./addresses.ts";
import { shell } from "./shell.ts";

/**
 * Makes the cluster's network in the network namespace that this process is in: a bridge with an address for the
 * control plane, and a tap device for each node. There is no default route, so nothing gets out.
 */
export async function makeNetwork(nodes: readonly string[]): Promise<void> {
  await ip("link set lo up");
  await ip("link add nodes type bridge");
  await ip(`address add ${apiServer}/${nodeNetworkBits} dev nodes`);
  await ip("link set nodes up");
  for (const node of nodes) {
    await ip(`tuntap add ${node} mode tap`);
    await ip(`link set ${node} master nodes up`);
    await ip(`route add ${podNetwork(node)} via ${nodeAddress(node)}`);
  }
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
}

async function ip(command: string): Promise<void> {
  await shell("ip", command.split(" "));
}
