// Makes dist/, or the directory that is named, the driver as a few files: `node image/bundle.ts [DIRECTORY]`. It runs
// where package.json and proto/ lie above it.
//
//   main.js, worker.js    the two entry points, chunk-*.js, which both share, and execa-*.js, loaded with the first LVM
//   node_modules/         koffi, whose machine code cannot be bundled, for this processor and Debian's C library
//   licenses.txt          of all packages that went in
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Metafile, build } from "esbuild";

const root = path.resolve(import.meta.dirname, "..");
const target = path.resolve(process.argv[2] ?? path.join(root, "dist"));

/** What is loaded of koffi; the rest is its sources. */
const koffi = {
  koffi: ["package.json", "index.js", "src/koffi/index.js", "src/koffi/src/static.js"],
  [`@koromix/koffi-linux-${process.arch}`]: ["package.json", "index.js", `linux_${process.arch}/koffi.node`],
};

/** Packages that are CommonJS ask for Node's own modules by `require`, which a module has not. */
const requireForModules =
  'import { createRequire as createBundleRequire } from "node:module"; ' +
  "const require = createBundleRequire(import.meta.url);";

await rm(target, { recursive: true, force: true });
const inputs = await bundle();
await Promise.all(Object.entries(koffi).flatMap(([name, files]) => files.map((file) => copy(name, file))));
await writeFile(path.join(target, "licenses.txt"), await licenses([...packagesOf(inputs), ...Object.keys(koffi)]));

async function bundle(): Promise<Metafile["inputs"]> {
  const { metafile } = await build({
    entryPoints: { main: "src/main.ts", worker: "src/host/worker.ts" },
    absWorkingDir: root,
    outdir: target,
    bundle: true,
    // names stay, for the stacks in the log; what is not read need not be parsed at start
    minifySyntax: true,
    minifyWhitespace: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node26",
    // grpc-js would load @grpc/proto-loader for the services of channelz, which nobody serves
    external: [...Object.keys(koffi), "@grpc/proto-loader"],
    banner: { js: requireForModules },
    metafile: true,
    logLevel: "warning",
  });
  return metafile.inputs;
}

async function copy(name: string, file: string): Promise<void> {
  const to = path.join(target, "node_modules", name, file);
  await mkdir(path.dirname(to), { recursive: true });
  await copyFile(path.join(root, "node_modules", name, file), to);
}

/** Names of the packages that these files belong to; of a package within a package "outer/node_modules/inner". */
function packagesOf(files: Metafile["inputs"]): readonly string[] {
  const names = Object.keys(files).flatMap(
    (file) => /^node_modules\/(.*node_modules\/)?(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [],
  );
  return [...new Set(names)].map((name) => name.slice("node_modules/".length)).toSorted();
}

async function licenses(names: readonly string[]): Promise<string> {
  return (await Promise.all(names.map(license))).join("\n\n");
}

/** @throws Error for a package that says nothing of its license. */
async function license(name: string): Promise<string> {
  const directory = path.join(root, "node_modules", name);
  const files = (await readdir(directory)).filter((file) => /^(?:licen[cs]e|notice|copying)/i.test(file));
  const texts = await Promise.all(files.map((file) => readFile(path.join(directory, file), "utf8")));
  const about: unknown = JSON.parse(await readFile(path.join(directory, "package.json"), "utf8"));
  if (typeof about !== "object" || about === null || !("version" in about) || !("license" in about)) {
    throw new Error(`${directory}/package.json names no license`);
  }
  return [`=== ${name} ${String(about.version)} (${String(about.license)})`, ...texts].join("\n\n");
}
