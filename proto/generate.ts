// Writes csi.json, what the driver loads instead of csi.proto, beside it or into the directory that is named:
// `node proto/generate.ts [DIRECTORY]`.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";

const target = path.resolve(process.argv[2] ?? import.meta.dirname);

const root = new protobuf.Root();
protobuf.parse(readFileSync(path.join(import.meta.dirname, "csi.proto"), "utf8"), root);
// what the messages are made of; descriptor.proto, the third import, is for the options alone
for (const file of ["google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"]) {
  root.addJSON(protobuf.common.get(file)?.nested ?? {});
}
writeFileSync(path.join(target, "csi.json"), `${JSON.stringify(root, wireOnly, 1)}\n`);

/** Leaves out what never reaches the wire: options, and the extensions that define them. */
function wireOnly(key: string, value: unknown): unknown {
  const isExtension = typeof value === "object" && value !== null && "extend" in value;
  return key === "options" || isExtension ? undefined : value;
}
