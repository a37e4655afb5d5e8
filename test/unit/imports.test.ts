import path from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { build, type Metafile } from "esbuild";

const checkout = path.resolve(import.meta.dirname, "../..");
let inputs: Metafile["inputs"];

beforeAll(async () => {
  const { metafile } = await build({
    entryPoints: ["src/main.ts"],
    absWorkingDir: checkout,
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["koffi", "@grpc/proto-loader"],
    metafile: true,
    write: false,
    outdir: "nowhere",
    splitting: true,
    logLevel: "warning",
  });
  ({ inputs } = metafile);
});

test.each([
  ["src/node-role.ts", ["@kubernetes/client-node", "undici", "@peculiar/x509", "reflect-metadata"]],
  ["src/certificates-role.ts", ["@grpc/grpc-js", "koffi", "execa"]],
])("%s does not load %s", (entry, packages) => {
  const loaded = [...loadedBy(entry)];
  expect(loaded).toContain("src/log.ts");
  expect(loaded.filter((file) => packages.some((name) => file.startsWith(`node_modules/${name}/`)))).toEqual([]);
});

test("what starts every role loads no package but what they share", () => {
  const loaded = [...loadedBy("src/main.ts", (kind) => kind !== "dynamic-import")];
  expect(loaded).not.toContain("src/kubernetes/client.ts");
  expect(loaded).not.toContain("src/certificates/keeper.ts");
});

/** A file and all that it imports, now or later, directly or not. */
function loadedBy(entry: string, counts: (kind: string) => boolean = () => true): ReadonlySet<string> {
  const seen = new Set([entry]);
  // a set that grows while it is walked
  for (const file of seen) {
    for (const { path: imported, kind } of inputs[file]?.imports ?? []) if (counts(kind)) seen.add(imported);
  }
  return seen;
}
