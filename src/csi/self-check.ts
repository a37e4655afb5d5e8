import { Client, credentials } from "@grpc/grpc-js";

/** Longest wait for the answer, in milliseconds. */
const patienceMs = 3000;

/** No share in another client's connection: what is asked is whether a new caller gets through. */
const channelOptions = { "grpc.use_local_subchannel_pool": 1 };

/**
 * Calls a CSI socket as its callers do, and asks who it is, for which nothing of the machine is needed.
 * @throws Error when there is no answer
 */
export async function checkSocket(socketPath: string): Promise<void> {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), channelOptions);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { deadline: Date.now() + patienceMs };
  client.makeUnaryRequest("/csi.v1.Identity/GetPluginInfo", nothing, nothing, {}, options, (error) => {
    if (error === null) resolve();
    else reject(error);
  });
  await promise.finally(() => client.close());
}

/** The request has no fields, and of the answer nothing is read. */
function nothing(): Buffer {
  return Buffer.alloc(0);
}
