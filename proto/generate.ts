// Writes csi.json and pluginregistration.json, what the driver loads instead of the .proto files, beside these or into
// the directory that is named: `node proto/generate.ts [DIRECTORY]`.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";

const target = path.resolve(process.argv[2] ?? import.meta.dirname);

for (const contract of ["csi", "pluginregistration"]) {
  const root = new protobuf.Root();
  const { imports } = protobuf.parse(readFileSync(path.join(import.meta.dirname, `${contract}.proto`), "utf8"), root);
  // what the messages are made of; descriptor.proto is for the options alone
  const parts = (imports ?? []).filter((file) => file !== "google/protobuf/descriptor.proto");
  for (const file of parts) root.addJSON(protobuf.common.get(file)?.nested ?? {});
  writeFileSync(path.join(target, `${contract}.json`), `${JSON.stringify(root, wireOnly, 1)}\n`);
}

/** Leaves out what never reaches the wire: options, and the extensions that define them. */
function wireOnly(key: string, value: unknown): unknown {
  const isExtension = typeof value === "object" && value !== null && "extend" in value;
  return key === "options" || isExtension ? undefined : value;
}
