// A CSI driver that can do nothing but statfs(2): what NodeGetVolumeStats can be no faster than.
//
//   statfs-server.ts SOCKET
import { statfs } from "node:fs/promises";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { loadServices } from "../lab/csi-client.ts";

const [socketPath = ""] = process.argv.slice(2);
const definition: ServiceDefinition = loadServices().Node.service;
const server = new Server();
server.addService(definition, {
  NodeGetVolumeStats: (call: ServerUnaryCall<{ volumePath: string }, object>, callback: sendUnaryData<object>) => {
    void answer(call.request.volumePath, callback);
  },
});
server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), () => undefined);

async function answer(volumePath: string, callback: sendUnaryData<object>): Promise<void> {
  const { bsize, blocks, bavail, bfree } = await statfs(volumePath);
  const usage = { unit: "BYTES", total: blocks * bsize, available: bavail * bsize, used: (blocks - bfree) * bsize };
  callback(null, { usage: [usage] });
}
