import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { Client, Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import type { PluginInfo__Output } from "../../src/csi/generated/pluginregistration/PluginInfo.ts";
import { loadRegistration } from "../../src/csi/services.ts";
import { connectCsi } from "../lab/csi-client.ts";

/** What the kubelet says to a driver that it has looked at: the empty text, or why it is not registered. */
export type Judge = (info: PluginInfo__Output, nodeId: string) => string;

/** The kubelet's part in the registration of drivers (kubernetes, pkg/kubelet/pluginmanager and pkg/volume/csi). */
export interface PluginWatcher {
  /** In order: "appeared", "registered NODE-ID", "refused", "removed". */
  readonly events: readonly string[];
  stop(): void;
}

/** Looks at the sockets that are there, and at each one that appears. */
export async function watchPlugins(directory: string, judge: Judge = () => ""): Promise<PluginWatcher> {
  const events: string[] = [];
  /** When each socket was made: between two looks it may have been removed and made anew. */
  const known = new Map<string, bigint>();
  const look = async (name: string): Promise<void> => {
    const socketPath = path.join(directory, name);
    const born = (await stat(socketPath, { bigint: true }).catch(() => undefined))?.birthtimeNs;
    if (born === known.get(name)) return;
    if (known.delete(name)) events.push("removed");
    if (born === undefined) return;
    known.set(name, born);
    events.push("appeared");
    events.push(await register(socketPath, judge));
  };
  let last: Promise<void> = Promise.resolve();
  const lookNext = (name: string): void => {
    last = last.then(() => look(name)).catch((error: unknown) => void events.push(String(error)));
  };
  const watcher: FSWatcher = watch(directory, (_event, name) => {
    if (name !== null) lookNext(name);
  });
  for (const name of await readdir(directory)) lookNext(name);
  return { events, stop: () => watcher.close() };
}

const channelOptions = {
  // no share in another client's connection
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
};

async function register(socketPath: string, judge: Judge): Promise<string> {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), channelOptions);
  try {
    // what the contract says; nothing at run time can tell it apart
    const info = (await call(client, "GetInfo", {})) as PluginInfo__Output;
    const driver = connectCsi(info.endpoint);
    const { nodeId } = await driver.Node.NodeGetInfo({}).finally(() => driver.close());
    const error = judge(info, nodeId);
    await call(client, "NotifyRegistrationStatus", { pluginRegistered: error === "", error });
    return error === "" ? `registered ${nodeId}` : "refused";
  } finally {
    client.close();
  }
}

function call(client: Client, rpc: string, request: object): Promise<unknown> {
  const method = loadRegistration()[rpc];
  if (method === undefined) throw new Error(`Registration has no ${rpc}`);
  const { path: name, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, answer: unknown): void => {
      if (error === null) resolve(answer);
      else reject(error);
    };
    // a socket appears before anybody listens on it
    const patient = new Metadata({ waitForReady: true });
    const deadline = { deadline: Date.now() + 10_000 };
    client.makeUnaryRequest(name, requestSerialize, responseDeserialize, request, patient, deadline, done);
  });
}
