import type { MethodDefinition } from "@grpc/grpc-js";

export type Message = Readonly<Record<string, string>>;

/** A method whose messages travel as JSON. */
export function jsonMethod(path: string): MethodDefinition<Message, Message> & MethodDefinition<object, object> {
  // what a test reads, it has written
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const read = (bytes: Buffer): Message => JSON.parse(bytes.toString()) as Message;
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  };
}

function write(message: object): Buffer {
  return Buffer.from(JSON.stringify(message));
}
