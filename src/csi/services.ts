import { readFileSync } from "node:fs";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import protobuf, { type IConversionOptions, type Type } from "protobufjs/light.js";
import { contractFile, registrationFile } from "../package-files.ts";

/**
 * How messages look here, the same as in `npm run generate`, which makes their types. 64-bit numbers come as text, to
 * lose no digit.
 */
const conversion: IConversionOptions = { longs: String, enums: String, defaults: true, oneofs: true };

/** The services of the CSI specification, as grpc-js serves them. */
export interface CsiServices {
  readonly Identity: ServiceDefinition;
  readonly Controller: ServiceDefinition;
  readonly Node: ServiceDefinition;
}

/**
 * Loads the services. Not by @grpc/proto-loader: parsing the contract, and describing it for reflection, which nobody
 * asks for, took a third of the driver's start (docs/performance.md).
 */
export function loadServices(): CsiServices {
  const root = readContract(contractFile);
  return {
    Identity: serviceNamed(root, "csi.v1.Identity"),
    Controller: serviceNamed(root, "csi.v1.Controller"),
    Node: serviceNamed(root, "csi.v1.Node"),
  };
}

/** Loads the service by which the kubelet gets to know a plugin. */
export function loadRegistration(): ServiceDefinition {
  return serviceNamed(readContract(registrationFile), "pluginregistration.Registration");
}

function readContract(file: string): protobuf.Root {
  return protobuf.Root.fromJSON(JSON.parse(readFileSync(file, "utf8")));
}

function serviceNamed(root: protobuf.Root, name: string): ServiceDefinition {
  const service = root.lookupService(name);
  const methods = service.methodsArray.map((method) => {
    const request = service.lookupType(method.requestType);
    const response = service.lookupType(method.responseType);
    return [method.name, methodOf(`/${name}/${method.name}`, request, response)];
  });
  return Object.fromEntries(methods);
}

function methodOf(path: string, request: Type, response: Type): MethodDefinition<object, object> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: serializer(request),
    requestDeserialize: deserializer(request),
    responseSerialize: serializer(response),
    responseDeserialize: deserializer(response),
  };
}

function serializer(type: Type) {
  return (message: object): Buffer => Buffer.from(type.encode(type.fromObject(message)).finish());
}

function deserializer(type: Type) {
  return (bytes: Uint8Array): object => type.toObject(type.decode(bytes), conversion);
}
