import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * What the package holds beside its modules. It lies one directory above this one: above src/, where this module is,
 * and above dist/, where the bundle is that this module goes into (image/bundle.ts).
 */

/** The CSI services' definition (proto/generate.ts). */
export const contractFile = fileURLToPath(new URL("../proto/csi.json", import.meta.url));

/** The definition of the kubelet's registration service (proto/generate.ts). */
export const registrationFile = fileURLToPath(new URL("../proto/pluginregistration.json", import.meta.url));

export function packageVersion(): string {
  const packageFile: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const isPackage = typeof packageFile === "object" && packageFile !== null && "version" in packageFile;
  return isPackage ? String(packageFile.version) : "unknown";
}
