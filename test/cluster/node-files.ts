import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { apiServer, nodeAddress, podNetwork, podNetworks } from "./addresses.ts";
import { references } from "./images.ts";
import { type Authority, kubeletIdentity, makeCertificate, makeConfiguration } from "./keys.ts";

/** Where the node sees the directory that these files are written to: see guest-init. */
const seen = "/lab/node";

/** Writes what a node reads when it starts: its settings, its keys, the configurations of what it runs. */
export async function writeNodeFiles(
  directory: string,
  name: string,
  all: readonly string[],
  authority: Authority,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await makeCertificate(authority, directory, "serving", kubeletIdentity(name));
  await makeConfiguration(authority, directory, "kubelet", kubeletIdentity(name));
  await makeConfiguration(authority, directory, "kube-proxy", {
    name: "system:kube-proxy",
    organization: "cluster",
  });
  const authorityCertificate = path.basename(authority.certificate);
  const files: Record<string, string> = {
    settings: settings(name, all),
    hosts: ["127.0.0.1 localhost", ...all.map((node) => `${nodeAddress(node)} ${node}`), ""].join("\n"),
    "kubelet.json": JSON.stringify(kubeletConfiguration(authorityCertificate)),
    "containerd.toml": containerdConfiguration,
    "cni/10-cluster.conflist": JSON.stringify(podNetworkConfiguration(name)),
  };
  await mkdir(path.join(directory, "cni"), { recursive: true });
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(path.join(directory, file), text)));
}

/** For the shell of guest-init. */
function settings(name: string, all: readonly string[]): string {
  const others = all.filter((node) => node !== name);
  const routes = others.map((node) => `'${podNetwork(node)} via ${nodeAddress(node)}'`);
  return [
    `NODE_NAME=${name}`,
    `NODE_ADDRESS=${nodeAddress(name)}`,
    `POD_NETWORKS=${podNetworks}`,
    // services' addresses are nobody's: what is sent there must find a way out before kube-proxy's rules turn it back
    `ROUTES=(${["'default via " + apiServer + "'", ...routes].join(" ")})`,
    "",
  ].join("\n");
}

function kubeletConfiguration(authorityCertificate: string): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${seen}/${authorityCertificate}` },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: `${seen}/serving.crt`,
    tlsPrivateKeyFile: `${seen}/serving.key`,
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "cgroupfs",
    resolvConf: "/lab/resolv.conf",
    volumePluginDir: "/lab/disk/volume-plugins",
    failSwapOn: false,
    // what fills these disks is this machine's business
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    // of the cpu, io, memory and pids controllers only, as the kernel has no cpusets
    enforceNodeAllocatable: ["none"],
    serializeImagePulls: false,
    nodeStatusUpdateFrequency: "4s",
    // also how long a pod may not notice that its volume has grown: a minute by default
    syncFrequency: "10s",
  };
}

const containerdConfiguration = `version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${references.pause}"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${seen}/cni"
`;

function podNetworkConfiguration(name: string): object {
  const ipam = {
    type: "host-local",
    dataDir: "/var/lib/cni/networks",
    ranges: [[{ subnet: podNetwork(name) }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  return {
    cniVersion: "0.4.0",
    name: "cluster",
    plugins: [
      { type: "bridge", bridge: "cni0", isGateway: true, hairpinMode: true, ipMasq: false, ipam },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
