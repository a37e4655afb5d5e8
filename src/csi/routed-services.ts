import type { Log } from "../log.ts";
import { NodeCalls } from "../remote/node-calls.ts";
import type { NodeDirectory } from "../remote/node-directory.ts";
import type { TlsDirectory } from "../remote/tls-directory.ts";
import { identityService } from "./identity.ts";
import { routedControllerService } from "./routed-controller.ts";
import type { CallObserver } from "./rpc.ts";
import { type Register, addService } from "./server.ts";
import { loadServices } from "./services.ts";

/** What the cluster's controller works with. */
export interface RoutedOptions {
  readonly directory: NodeDirectory;
  readonly tls: TlsDirectory;
  readonly log: Log;
  readonly version: string;
  readonly observe?: CallObserver | undefined;
}

/** The services in front of all nodes, and the way to them. */
export interface RoutedServices {
  readonly register: Register;
  /** Whether calls can be sent to nodes: they are known, and there is a certificate to show them. */
  readonly isReady: () => boolean;
  readonly close: () => void;
}

/** Begins to read the certificates; a controller without them answers, and is not ready. */
export async function routedServices({
  directory,
  tls,
  log,
  version,
  observe,
}: RoutedOptions): Promise<RoutedServices> {
  const { Identity, Controller } = loadServices();
  const greeting = Identity["GetPluginInfo"];
  if (greeting === undefined) throw new Error("the contract has no GetPluginInfo");
  const calls = new NodeCalls({ directory, tls, greeting, log });
  await calls.open();
  const isReady = (): boolean => directory.isSynced() && calls.hasCertificates;
  return {
    register: (server) => {
      addService(server, Identity, identityService({ version, ready: async () => isReady() }), { log, observe });
      addService(server, Controller, routedControllerService({ directory, calls, methods: Controller, log }), {
        log,
        observe,
      });
    },
    isReady,
    close: () => calls.close(),
  };
}
