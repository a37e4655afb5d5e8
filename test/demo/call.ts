// Sends one call to a CSI driver and prints its answer as JSON, or its code and message.
//
//   node test/demo/call.ts SERVICE METHOD [JSON] [--endpoint unix:///PATH] [--deadline MILLISECONDS]
//
// SERVICE is Identity, Controller or Node; JSON is the request, with the field names of proto/csi.proto in camelCase.
// The endpoint is CSI_ENDPOINT where it is not given. Exit status 1: the answer is not OK; 2: the call makes no sense.
import { parseArgs } from "node:util";
import { CallError, connectCsi, loadServices } from "../lab/csi-client.ts";

const usage = "node test/demo/call.ts SERVICE METHOD [JSON] [--endpoint unix:///PATH] [--deadline MILLISECONDS]";

interface Call {
  readonly service: "Identity" | "Controller" | "Node";
  readonly method: string;
  readonly request: object;
  readonly socketPath: string;
  readonly deadlineMilliseconds: number | undefined;
}

try {
  const call = readCall(process.argv.slice(2));
  const client = connectCsi(call.socketPath);
  // readCall has found the method among the service's; which one it is, is known only at run time
  const methods = client[call.service] as unknown as Readonly<Record<string, (...args: unknown[]) => Promise<object>>>;
  const answer = methods[call.method]?.(call.request, call.deadlineMilliseconds);
  await answer?.then((response) => console.log(JSON.stringify(response, undefined, 2))).finally(() => client.close());
} catch (error) {
  console.error(error instanceof CallError ? `${error.code}: ${error.details}` : String(error));
  process.exitCode = error instanceof CallError ? 1 : 2;
}

/** @throws Error that tells what is wrong */
function readCall(args: readonly string[]): Call {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { endpoint: { type: "string" }, deadline: { type: "string" } },
    allowPositionals: true,
  });
  const [service = "", method, json = "{}"] = positionals;
  const socketPath = readEndpoint(values.endpoint ?? process.env["CSI_ENDPOINT"]);
  if (method === undefined || socketPath === undefined) throw new Error(`usage: ${usage}`);
  if (!isService(service)) throw new Error(`no service ${service}: Identity, Controller or Node`);
  const request = readRequest(json);
  checkFields(service, method, request);
  const deadlineMilliseconds = values.deadline === undefined ? undefined : Number(values.deadline);
  return { service, method, request, socketPath, deadlineMilliseconds };
}

function readEndpoint(text: string | undefined): string | undefined {
  return /^unix:(?:\/\/)?(\/.+)$/.exec(text ?? "")?.[1];
}

function isService(name: string): name is Call["service"] {
  return ["Identity", "Controller", "Node"].includes(name);
}

function readRequest(json: string): object {
  const request: unknown = JSON.parse(json);
  if (typeof request !== "object" || request === null) throw new Error("the request is not a JSON object");
  return request;
}

/** Without this, a field with a wrong name would silently not be sent. */
function checkFields(service: Call["service"], method: string, request: object): void {
  const definitions = loadServices()[service].service;
  const definition = Object.entries(definitions).find(([name]) => name === method)?.[1];
  if (definition === undefined) throw new Error(`no method ${method}: ${Object.keys(definitions).join(", ")}`);
  const understood = definition.requestDeserialize(definition.requestSerialize(request));
  const unknown = unknownField(request, understood);
  if (unknown !== undefined) throw new Error(`no field ${unknown} in the request of ${method} (names are camelCase)`);
}

/** The first name in `given` that is not in `understood`, with the names above it. */
function unknownField(given: object, understood: unknown): string | undefined {
  if (typeof understood !== "object" || understood === null) return undefined;
  const known = new Map<string, unknown>(Object.entries(understood));
  for (const [name, value] of Object.entries(given)) {
    if (!known.has(name)) return name;
    const inside = typeof value === "object" && value !== null ? unknownField(value, known.get(name)) : undefined;
    if (inside !== undefined) return `${name}.${inside}`;
  }
  return undefined;
}
