import { SystemError, showPath } from "../errors.ts";

/** The kubelet directory as it was given, and what it resolved to at start. */
export interface KubeletDirectory {
  readonly given: string;
  readonly resolved: string;
}

/** A path below the kubelet directory, taken apart. Nothing of it has been looked up yet. */
export interface KubeletPath {
  /** The resolved kubelet directory. */
  readonly root: string;
  /** At least one; none is empty, "." or "..". */
  readonly components: readonly string[];
}

/**
 * Takes a path apart. It may name the kubelet directory either way; repeated and trailing slashes and "." change
 * nothing, as in path_resolution(7).
 * @throws SystemError EXDEV for a relative path, one with "..", and one that does not lie below the kubelet directory;
 * EINVAL for a path with a NUL, which the kernel would take for its end.
 */
export function parseKubeletPath(directory: KubeletDirectory, path: string): KubeletPath {
  if (path.includes("\0")) {
    throw new SystemError("EINVAL", "a path with a NUL character");
  }
  const all = componentsOf(path);
  const components = below(directory.given, all) ?? below(directory.resolved, all);
  if (!path.startsWith("/") || all.includes("..") || components === undefined) {
    throw new SystemError("EXDEV", `${showPath(path)} is not a path below ${directory.given}`);
  }
  return { root: directory.resolved, components };
}

/** The path as a person would write it, for a message. */
export function formatKubeletPath(path: KubeletPath): string {
  return showPath([path.root, ...path.components].join("/"));
}

function componentsOf(path: string): string[] {
  return path.split("/").filter((component) => component !== "" && component !== ".");
}

/** What of the path lies below the directory; undefined if it does not, or is the directory itself. */
function below(directory: string, components: readonly string[]): string[] | undefined {
  const prefix = componentsOf(directory);
  const inside = prefix.every((component, index) => component === components[index]);
  return inside && components.length > prefix.length ? components.slice(prefix.length) : undefined;
}
