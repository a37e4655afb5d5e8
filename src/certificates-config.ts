import { Flags, type LogLevel, logLevels } from "./flags.ts";

/** How the certificates role is to run. */
export interface CertificatesConfig {
  /** Where the three Secrets are. */
  readonly namespace: string;
  readonly caSecret: string;
  readonly controllerSecret: string;
  readonly nodeSecret: string;
  readonly logLevel: LogLevel;
}

const secrets = {
  "ca-secret": "lvm-local-csi-ca",
  "controller-secret": "lvm-local-csi-controller",
  "node-secret": "lvm-local-csi-node",
} as const;

export const certificatesHelp = `lvm-local-csi certificates: makes and renews the certificates of controller and nodes, in three Secrets

  --namespace NAME               where the Secrets are (or POD_NAMESPACE)
  --ca-secret NAME               of the authority that signs (default ${secrets["ca-secret"]})
  --controller-secret NAME       of the controller (default ${secrets["controller-secret"]})
  --node-secret NAME             of all nodes (default ${secrets["node-secret"]})
  --log-level LEVEL              ${logLevels.join(", ")} (default info)
`;

/**
 * Reads the certificates role's flags, with `POD_NAMESPACE` from the environment where `--namespace` is absent.
 * @throws UsageError naming every unknown flag and bad value at once.
 */
export function parseCertificatesConfig(args: readonly string[], environment: NodeJS.ProcessEnv): CertificatesConfig {
  const flags = new Flags(args, ["namespace", ...Object.keys(secrets), "log-level"]);
  const config: CertificatesConfig = {
    namespace: flags.namespace(environment),
    caSecret: readSecret(flags, "ca-secret"),
    controllerSecret: readSecret(flags, "controller-secret"),
    nodeSecret: readSecret(flags, "node-secret"),
    logLevel: flags.logLevel(),
  };
  const names = [config.caSecret, config.controllerSecret, config.nodeSecret];
  if (new Set(names).size < names.length)
    flags.problem("--ca-secret, --controller-secret, --node-secret: not all different");
  flags.requireNone();
  return Object.freeze(config);
}

function readSecret(flags: Flags, name: keyof typeof secrets): string {
  const text = flags.text(name) ?? secrets[name];
  // a DNS subdomain name, as Kubernetes requires
  if (text.length > 253 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text)) {
    flags.problem(`--${name}: ${JSON.stringify(text)} is not a Secret's name`);
  }
  return text;
}
