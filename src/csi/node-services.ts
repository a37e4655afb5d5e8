import type { Server } from "@grpc/grpc-js";
import type { Context } from "../volume/context.ts";
import { controllerService } from "./controller.ts";
import { type Health, identityService } from "./identity.ts";
import { nodeService } from "./node.ts";
import { type Register, addService } from "./server.ts";
import { loadServices } from "./services.ts";

/** A node's services: all of them for its Unix socket, and those that the cluster's controller may call. */
export function nodeServices(context: Context, health: Health): { readonly all: Register; readonly remote: Register } {
  const { Identity, Controller, Node } = loadServices();
  const remote = (server: Server): void => {
    addService(server, Identity, identityService(health), context.log);
    addService(server, Controller, controllerService(context), context.log);
  };
  const all = (server: Server): void => {
    remote(server);
    addService(server, Node, nodeService(context), context.log);
  };
  return { all, remote };
}
