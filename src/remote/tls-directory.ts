import { readFile } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import path from "node:path";
import { type SecureContext, type SecureContextOptions, createSecureContext } from "node:tls";
import type { Log } from "../log.ts";

/** In milliseconds. The kubelet replaces those of a Secret within a minute or two. */
const pollMs = 10_000;

/** The keys of a Secret of type kubernetes.io/tls, with the certificates of who may sign the other side's. */
const fileNames = { cert: "tls.crt", key: "tls.key", ca: "ca.crt" } as const;

type TlsFiles = Readonly<Record<keyof typeof fileNames, string>>;

interface Loaded {
  readonly files: TlsFiles;
  readonly context: SecureContext;
  /** Of the own certificate, in milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * The certificate, key and trusted signers in a directory, read again without a restart. What does not hold together,
 * such as a key that is not the certificate's while the files are replaced, is logged, and the last good ones stay.
 */
export class TlsDirectory {
  readonly #directory: string;
  readonly #log: Pick<Log, "info" | "error">;
  readonly #everyMs: number;
  #loaded: Loaded | undefined;
  #lastProblem = "";
  #timer: NodeJS.Timeout | undefined;

  /** @param everyMs how often the files are read again, in milliseconds */
  constructor(directory: string, log: Pick<Log, "info" | "error">, everyMs = pollMs) {
    this.#directory = directory;
    this.#log = log;
    this.#everyMs = everyMs;
  }

  /** What the client's side of connections is made with; undefined until the files have been read. TLS 1.3 only. */
  get context(): SecureContext | undefined {
    return this.#loaded?.context;
  }

  /** When the own certificate expires, in milliseconds since the epoch; 0 until the files have been read. */
  get expiresAt(): number {
    return this.#loaded?.expiresAt ?? 0;
  }

  /** The same for `setSecureContext` of a server. */
  get options(): SecureContextOptions {
    return optionsOf(this.#loaded?.files);
  }

  /** Reads the files, now and from time to time, and tells when they have changed, before this resolves the first time. */
  async watch(changed: () => void): Promise<void> {
    const look = async (): Promise<void> => {
      if (await this.#refresh()) changed();
    };
    await look();
    this.#timer = setInterval(() => void look(), this.#everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether there is something new. */
  async #refresh(): Promise<boolean> {
    try {
      const files = await readFiles(this.#directory);
      if (isSame(files, this.#loaded?.files)) return false;
      const context = createSecureContext(optionsOf(files));
      this.#loaded = { files, context, expiresAt: new X509Certificate(files.cert).validToDate.getTime() };
      this.#lastProblem = "";
      this.#log.info({ directory: this.#directory }, "certificates read");
      return true;
    } catch (error) {
      this.#tell(String(error));
      return false;
    }
  }

  /** Once for each problem, not at every look. */
  #tell(problem: string): void {
    if (problem === this.#lastProblem) return;
    this.#lastProblem = problem;
    const kept = this.#loaded === undefined ? "there are none yet" : "those read before are kept";
    this.#log.error({ directory: this.#directory, error: problem }, `certificates cannot be read; ${kept}`);
  }
}

function optionsOf(files: TlsFiles | undefined): SecureContextOptions {
  return { ...files, minVersion: "TLSv1.3" };
}

async function readFiles(directory: string): Promise<TlsFiles> {
  const read = (name: keyof typeof fileNames): Promise<string> =>
    readFile(path.join(directory, fileNames[name]), "utf8");
  const [cert, key, ca] = await Promise.all([read("cert"), read("key"), read("ca")]);
  // an empty list of signers would stand for all the world's
  if (!ca.includes("-----BEGIN CERTIFICATE-----")) throw new Error(`${fileNames.ca} holds no certificate`);
  return { cert, key, ca };
}

function isSame(a: TlsFiles, b: TlsFiles | undefined): boolean {
  return a.cert === b?.cert && a.key === b.key && a.ca === b.ca;
}
