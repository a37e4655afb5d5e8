import path from "node:path";
import {
  Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import type { ProtoGrpcType } from "../../src/csi/generated/csi.ts";
import type { ControllerDefinition } from "../../src/csi/generated/csi/v1/Controller.ts";
import type { IdentityDefinition } from "../../src/csi/generated/csi/v1/Identity.ts";
import type { NodeDefinition } from "../../src/csi/generated/csi/v1/Node.ts";

/**
 * The RPCs of a service as functions. Each rejects with a CallError. A caller's patience is told the driver, which is to
 * answer before it ends: the caller waits for that answer, so that no clock but the driver's decides.
 */
export type Calls<Definition> = {
  readonly [Name in keyof Definition as string extends Name ? never : number extends Name ? never : Name]: (
    request: RequestOf<Definition[Name]>,
    patienceMilliseconds?: number,
  ) => Promise<ResponseOf<Definition[Name]>>;
};

type RequestOf<Method> =
  Method extends MethodDefinition<infer Request, infer _Sent, infer _Read, infer _Response> ? Request : never;
type ResponseOf<Method> =
  Method extends MethodDefinition<infer _Request, infer _Sent, infer _Read, infer Response> ? Response : never;

/** The services of a CSI driver on a Unix socket, as its sidecars and the kubelet call them. */
export interface CsiClient {
  readonly Identity: Calls<IdentityDefinition>;
  readonly Controller: Calls<ControllerDefinition>;
  readonly Node: Calls<NodeDefinition>;
  close(): void;
}

/** An answer that is not OK. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly method: string;
  /** "ABORTED", as in the gRPC specification. */
  readonly code: string;
  /** What the driver says. */
  readonly details: string;

  constructor(method: string, { code, details }: Pick<ServiceError, "code" | "details">) {
    super(`${method}: ${status[code]}: ${details}`);
    this.method = method;
    this.code = status[code];
    this.details = details;
  }
}

/** The kubelet waits this long (kubernetes, pkg/volume/csi, csiTimeout). */
const defaultDeadlineMilliseconds = 120_000;

/** The same options as in src/csi/server.ts, for which the types are generated. */
const loadOptions = { longs: String, enums: String, defaults: true, oneofs: true } as const;

const channelOptions = {
  // no share in another client's connection, nor in its waiting time after a driver that was killed
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
};

/** Connects at the first call. A driver that is started anew at the same socket is found again. */
export function connectCsi(socketPath: string): CsiClient {
  const { Identity, Controller, Node } = loadServices();
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), channelOptions);
  return {
    Identity: callsOf(client, Identity.service),
    Controller: callsOf(client, Controller.service),
    Node: callsOf(client, Node.service),
    close: () => client.close(),
  };
}

/** The services that the specification defines, by their loaded definitions. */
export function loadServices(): ProtoGrpcType["csi"]["v1"] {
  const file = path.resolve(import.meta.dirname, "../../proto/csi.proto");
  // the generated types describe what the loaded file holds; nothing at run time can tell them apart
  const loaded = loadPackageDefinition(loadSync(file, loadOptions)) as unknown as ProtoGrpcType;
  return loaded.csi.v1;
}

function callsOf<Definition extends ServiceDefinition>(client: Client, definition: Definition): Calls<Definition> {
  const calls = Object.entries<ServiceDefinition[string]>(definition).map(([name, method]) => [
    name,
    (request: object, patienceMilliseconds?: number) =>
      new Promise((resolve, reject) => {
        const options =
          patienceMilliseconds === undefined ? { deadline: Date.now() + defaultDeadlineMilliseconds } : {};
        const metadata = new Metadata();
        if (patienceMilliseconds !== undefined) metadata.set("grpc-timeout", `${patienceMilliseconds}m`);
        const { path: rpc, requestSerialize, responseDeserialize } = method;
        client.makeUnaryRequest(rpc, requestSerialize, responseDeserialize, request, metadata, options, done);
        function done(error: ServiceError | null, response?: object): void {
          if (error === null) resolve(response);
          else reject(new CallError(name, error));
        }
      }),
  ]);
  // as above: the names and types are those of the loaded definition
  return Object.fromEntries(calls) as Calls<Definition>;
}
