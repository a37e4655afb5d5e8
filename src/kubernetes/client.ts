import {
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  type Middleware,
  ServerConfiguration,
  Watch,
} from "@kubernetes/client-node";

/** What the driver calls of the Kubernetes API. */
export interface KubernetesClient {
  readonly core: CoreV1Api;
  readonly watch: Watch;
  /** Ends the requests that are under way; those of watches end with the watch. */
  close(): void;
}

const requestTimeoutMs = 15_000;

/** A watch that is silent for so long is taken for dead: the API server sends a bookmark about once a minute. */
const silenceMs = 150_000;

/**
 * Finds the Kubernetes API: by the file that KUBECONFIG names, else as a pod does, with the token and the certificates
 * of its service account. Both are read again when they change.
 * @param root of the service account's directory
 * @throws Error if neither is there
 */
export function connect(environment: NodeJS.ProcessEnv, root = ""): KubernetesClient {
  const config = new KubeConfig();
  const file = environment["KUBECONFIG"];
  if (file) config.loadFromFile(file);
  else if (environment["KUBERNETES_SERVICE_HOST"]) config.loadFromCluster(root);
  else throw new Error("where the Kubernetes API is, is not known: this is no pod, and KUBECONFIG is not set");
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`${file}: names no current cluster`);
  const closing = new AbortController();
  return {
    core: new CoreV1Api(
      createConfiguration({
        baseServer: new ServerConfiguration(cluster.server, {}),
        authMethods: { default: config },
        promiseMiddleware: [ending(closing.signal)],
      }),
    ),
    watch: patientWatch(config),
    close: () => closing.abort(),
  };
}

/** Without it a request waits for five minutes on a server that is silent. */
function ending(closing: AbortSignal): Middleware {
  return {
    pre: (request) => {
      request.setSignal(AbortSignal.any([closing, AbortSignal.timeout(requestTimeoutMs)]));
      return Promise.resolve(request);
    },
    post: (response) => Promise.resolve(response),
  };
}

function patientWatch(config: KubeConfig): Watch {
  const watch = new Watch(config);
  // A private field, and 30 s: where nothing happens, each watch would be asked for anew twice a minute.
  Reflect.set(watch, "requestTimeoutMs", silenceMs);
  return watch;
}
