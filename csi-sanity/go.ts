import { execFile } from "node:child_process";
import { chmod, mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const moduleDirectory = import.meta.dirname;

/** Kubernetes asks for Go 1.26, and one Go for all compiles the standard library once. */
const wantedMinor = 26;
/** What is fetched where the machine's own Go is older: a version of the module golang.org/toolchain. */
const toolchain = "v0.0.1-go1.26.8";

/** Where csi-sanity is built and run; git ignores it. */
export const cache = path.resolve(moduleDirectory, "../node_modules/.cache/csi-sanity");

/** The programs that a run needs. */
export interface Programs {
  readonly sanity: string;
  readonly compareProto: string;
  readonly go: string;
}

/**
 * Builds csi-sanity and compare-proto from what go.mod pins. Go itself sees whether anything has changed: a second run
 * takes a third of a second.
 * @throws Error saying what to install, or with the compiler's words.
 */
export async function buildPrograms(): Promise<Programs> {
  const go = await findGo();
  const target = path.join(cache, "bin");
  await mkdir(target, { recursive: true });
  const packages = ["./cmd/compare-proto", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"];
  await runGo(go, ["build", "-trimpath", "-o", `${target}/`, ...packages]);
  return { go, sanity: path.join(target, "csi-sanity"), compareProto: path.join(target, "compare-proto") };
}

/**
 * Runs a go command in the module.
 * @throws Error with what it printed.
 */
export async function runGo(go: string, args: readonly string[]): Promise<string> {
  try {
    // a GOROOT of the machine's own Go would mislead a fetched one; each finds its own by itself
    const environment = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOROOT: "" };
    const { stdout } = await run(go, [...args], { cwd: moduleDirectory, env: environment, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    throw new Error(`go ${args[0]} failed: ${spokenBy(error)}`, { cause: error });
  }
}

/**
 * The path of a Go that is recent enough, fetched where there is an older one only.
 * @throws Error saying what to install
 */
export async function findGo(): Promise<string> {
  const found: string[] = [];
  for (const candidate of ["go", "/usr/local/go/bin/go"]) {
    const version = await goVersion(candidate);
    if (version === undefined) continue;
    if (isRecent(version)) return candidate;
    found.push(candidate);
  }
  const [older] = found;
  if (older === undefined) {
    throw new Error(
      "this is built from source and there is no Go here: install the Debian package golang-go (any version: an older " +
        "one fetches the right one)",
    );
  }
  return fetchToolchain(older);
}

async function goVersion(go: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(go, ["version"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
    return stdout;
  } catch {
    return undefined;
  }
}

function isRecent(version: string): boolean {
  const [, major, minor] = /\bgo(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= wantedMinor);
}

/** Go is itself a module; a Go before 1.21 can download it, but leaves its programs without the execute bit. */
async function fetchToolchain(older: string): Promise<string> {
  const machine = process.arch === "x64" ? "amd64" : process.arch;
  const module = `golang.org/toolchain@${toolchain}.linux-${machine}`;
  // outside of our module, whose go.mod an old Go cannot read
  const options = { cwd: "/", env: { ...process.env, GOTOOLCHAIN: "local", GO111MODULE: "on" } };
  await run(older, ["mod", "download", module], options);
  const { stdout: modules } = await run(older, ["env", "GOMODCACHE"], options);
  const directory = path.join(modules.trim(), module);
  for (const programs of ["bin", `pkg/tool/linux_${machine}`]) {
    const folder = path.join(directory, programs);
    const names = await readdir(folder);
    await Promise.all(names.map((name) => chmod(path.join(folder, name), 0o755)));
  }
  return path.join(directory, "bin/go");
}

function spokenBy(error: unknown): string {
  if (error instanceof Error && "stderr" in error && "stdout" in error) {
    return `${String(error.stdout)}${String(error.stderr)}`.trim();
  }
  return String(error);
}
