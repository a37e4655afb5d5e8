import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { findGo } from "../../csi-sanity/go.ts";
import { cached } from "./cached.ts";
import { shell } from "./shell.ts";

const moduleDirectory = path.join(import.meta.dirname, "go");

const packages = [
  ...["kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kube-proxy"].map(
    (name) => `k8s.io/kubernetes/cmd/${name}`,
  ),
  "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
  "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
  "./agent",
  "./pause",
];

/**
 * A directory with the programs of Kubernetes, the two sidecars, and the laboratory's own, built of what go.mod
 * pins. They are in one module and built by one command, so that what they share is compiled once.
 * @throws Error with the compiler's words
 */
export async function programs(): Promise<string> {
  const sources = ["go.mod", "go.sum", "agent/main.go", "pause/main.go"];
  const contents = await Promise.all(sources.map((file) => readFile(path.join(moduleDirectory, file))));
  return cached("programs", [...contents, ...packages], async (target) => {
    const go = await findGo();
    const environment = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOROOT: "" };
    const options = { child: { cwd: moduleDirectory, env: environment } };
    const version = (await shell(go, ["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"], options)).trim();
    await mkdir(target);
    const link = `-s -w ${versionFlags(version).join(" ")}`;
    await shell(go, ["build", "-trimpath", "-ldflags", link, "-o", `${target}/`, ...packages], options);
  });
}

/** Without these the programs of Kubernetes call themselves v0.0.0-master, and clients refuse what they offer. */
function versionFlags(version: string): readonly string[] {
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: "clean" };
  return Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
}
