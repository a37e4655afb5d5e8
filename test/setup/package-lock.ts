/** The parts of package-lock.json that are looked at (docs of npm, package-lock.json). */
export interface PackageLock {
  readonly packages: Record<string, LockedPackage>;
}

export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The optional packages that a locked package names exactly and that have no entry of their own. */
export function missingPlatformPackages(lock: PackageLock): readonly { name: string; version: string }[] {
  return Object.values(lock.packages)
    .flatMap((locked) => Object.entries(locked.optionalDependencies ?? {}))
    .filter(([name, version]) => /^\d+\.\d+\.\d+$/.test(version) && lock.packages[`node_modules/${name}`] === undefined)
    .map(([name, version]) => ({ name, version }));
}
