import { Flags, type ListenAddress, type LogLevel, logLevels } from "./flags.ts";

/** How the controller role is to run. */
export interface ControllerConfig {
  /** Path of the Unix socket that the sidecars call. */
  readonly socketPath: string;
  /** Holds the controller's certificate, its key and the certificates of who may sign the nodes'. */
  readonly tlsDirectory: string;
  /** A list of the nodes; undefined where the cluster tells them. */
  readonly nodesFile: string | undefined;
  /** Where the nodes' pods are; "" with a list of the nodes. */
  readonly namespace: string;
  /** Label selector of the nodes' pods. */
  readonly nodeSelector: string;
  /** At which the nodes take the controller's calls. */
  readonly nodePort: number;
  readonly httpListen: ListenAddress | undefined;
  readonly logLevel: LogLevel;
}

const defaultSelector = "app.kubernetes.io/name=lvm-local-csi,app.kubernetes.io/component=node";
const defaultPort = 9810;

export const controllerHelp = `lvm-local-csi controller: the Controller service of a cluster, which hands each call to its node

  --csi-endpoint unix:///PATH    where to listen (or CSI_ENDPOINT)
  --tls-directory PATH           tls.crt, tls.key and ca.crt for the nodes
  --namespace NAME               where the nodes' pods are (or POD_NAMESPACE)
  --node-selector LABELS         which pods they are (default ${defaultSelector})
  --node-port PORT               where they take the controller's calls (default ${defaultPort})
  --nodes FILE                   instead of the cluster: [{"name": "n1", "address": "HOST:PORT"}, ...]
  --http-listen HOST:PORT        serve /healthz, /readyz and /metrics here (default: none)
  --log-level LEVEL              ${logLevels.join(", ")} (default info)
`;

const controllerFlags = [
  "csi-endpoint",
  "tls-directory",
  "namespace",
  "node-selector",
  "node-port",
  "nodes",
  "http-listen",
  "log-level",
];

/**
 * Reads the controller role's flags, with `CSI_ENDPOINT` and `POD_NAMESPACE` from the environment where a flag is absent.
 * @throws UsageError naming every unknown flag and bad value at once.
 */
export function parseControllerConfig(args: readonly string[], environment: NodeJS.ProcessEnv): ControllerConfig {
  const flags = new Flags(args, controllerFlags);
  const nodesFile = flags.path("nodes");
  const config: ControllerConfig = {
    socketPath: flags.endpoint(environment),
    tlsDirectory: flags.path("tls-directory") ?? "",
    nodesFile,
    namespace: nodesFile === undefined ? flags.namespace(environment) : "",
    nodeSelector: flags.text("node-selector") ?? defaultSelector,
    nodePort: readPort(flags),
    httpListen: flags.listen("http-listen"),
    logLevel: flags.logLevel(),
  };
  if (config.tlsDirectory === "") flags.problem("--tls-directory: missing; nodes are called over mutual TLS only");
  flags.requireNone();
  return Object.freeze(config);
}

function readPort(flags: Flags): number {
  const text = flags.text("node-port") ?? String(defaultPort);
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    flags.problem(`--node-port: ${JSON.stringify(text)} is not a port, 1 to 65535`);
  }
  return port;
}
