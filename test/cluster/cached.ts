import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cache } from "./paths.ts";

/**
 * The path of something that takes long to make and is kept between runs. It is made now unless it has been made of
 * the same before; what was made of something else is removed.
 * @param name - of a file or directory in the cache, of which more than one sort may exist: "images.tar"
 * @param madeOf - all that decides what comes out
 * @param make - makes it at the path that it is given, where nothing is
 */
export async function cached(
  name: string,
  madeOf: readonly (string | Buffer)[],
  make: (target: string) => Promise<void>,
): Promise<string> {
  const digest = createHash("sha256");
  for (const part of madeOf) digest.update(part).update("\0");
  const { name: stem, ext } = path.parse(name);
  const target = path.join(cache, `${stem}-${digest.digest("hex").slice(0, 16)}${ext}`);
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  await removeAbandoned();
  // one of its own for each process: two checkouts may make the same at once
  const work = await mkdtemp(path.join(cache, `work.${process.pid}.`));
  try {
    const start = performance.now();
    console.error(`cluster: making ${name}`);
    const made = path.join(work, name);
    await make(made);
    await removeOlder(stem, ext, target);
    await rename(made, target).catch((error: unknown) => {
      // a directory does not take another one's place
      if (!existsSync(target)) throw error;
    });
    console.error(`cluster: made ${name} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function removeOlder(stem: string, ext: string, target: string): Promise<void> {
  const ours = new RegExp(`^${RegExp.escape(stem)}-[0-9a-f]{16}${RegExp.escape(ext)}$`);
  const names = (await readdir(cache)).filter((name) => ours.test(name) && path.join(cache, name) !== target);
  await Promise.all(names.map((name) => rm(path.join(cache, name), { recursive: true, force: true })));
}

/** What processes have left that were killed while they made something. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = /^work\.(\d+)\./.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await rm(path.join(cache, name), { recursive: true, force: true });
  }
}
