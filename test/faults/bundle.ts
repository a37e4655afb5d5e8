// Bundles killed-driver.ts into a directory of the checkout, for it starts three times as fast then (image/bundle.ts):
//
//   node test/faults/bundle.ts DIRECTORY
import { build } from "esbuild";

const [outdir = ""] = process.argv.slice(2);

await build({
  entryPoints: { "killed-driver": "test/faults/killed-driver.ts", worker: "src/host/worker.ts" },
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node26",
  external: ["koffi"],
  banner: {
    js:
      'import { createRequire as createBundleRequire } from "node:module"; ' +
      "const require = createBundleRequire(import.meta.url);",
  },
  logLevel: "warning",
});
