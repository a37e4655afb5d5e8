import { type IncomingHttpHeaders, connect } from "node:http2";
import { createConnection } from "node:net";

/** Longest wait for the answer, in milliseconds. */
const patienceMs = 3000;

/** A message without fields: not compressed, no bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const emptyMessage = Buffer.alloc(5);

/**
 * Calls a CSI socket as a new caller does, and asks who it is, for which nothing of the machine is needed. Not with
 * grpc-js: its client keeps a connection on which nothing was ever said, also when it is closed.
 * @throws Error when there is no answer
 */
export async function checkSocket(socketPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const session = connect("http://localhost", { createConnection: () => createConnection(socketPath) });
  session.on("error", reject);
  const request = session.request({
    ":method": "POST",
    ":path": "/csi.v1.Identity/GetPluginInfo",
    "content-type": "application/grpc",
    te: "trailers",
  });
  // A failure comes with the first headers, everything else with the trailers.
  const read = (headers: IncomingHttpHeaders): void => {
    if (headers["grpc-status"] !== undefined) resolve(headers["grpc-status"]);
  };
  request.on("response", read).on("trailers", read).on("error", reject).resume().end(emptyMessage);
  const timer = setTimeout(() => reject(new Error(`no answer on ${socketPath} in ${patienceMs} ms`)), patienceMs);
  try {
    const status = await promise;
    if (status !== "0") throw new Error(`${socketPath} answers with status ${String(status)}`);
  } finally {
    clearTimeout(timer);
    session.destroy();
  }
}
