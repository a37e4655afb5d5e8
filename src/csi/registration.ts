import { Server } from "@grpc/grpc-js";
import { printable } from "../errors.ts";
import type { Log } from "../log.ts";
import type { RegistrationHandlers } from "./generated/pluginregistration/Registration.ts";
import type { RegistrationStatus__Output } from "./generated/pluginregistration/RegistrationStatus.ts";
import { driverName } from "./identity.ts";
import type { CallObserver, Service } from "./rpc.ts";
import { addService, bind, clearSocket } from "./server.ts";
import { loadRegistration } from "./services.ts";

export interface RegistrationOptions {
  /** Path of the socket to make, in the kubelet's plugins_registry directory. */
  readonly socketPath: string;
  /** Path of the CSI socket, which must be the same where the kubelet is. */
  readonly endpoint: string;
  readonly log: Log;
  readonly observeCall?: CallObserver | undefined;
  /** Is told what the kubelet says of each registration. */
  readonly observeOutcome?: ((succeeded: boolean) => void) | undefined;
  /** What the first wait before another offer is in milliseconds, instead of one second. */
  readonly firstWaitMs?: number;
}

const longestWaitMs = 60_000;

/**
 * Makes the driver known to the kubelet. The kubelet looks at a socket when it appears, and at all that are there when it
 * starts; it asks who is there, calls NodeGetInfo on the CSI socket, and says how that went. Where it went wrong it does
 * not look again (kubernetes, pkg/kubelet/pluginmanager), so the socket is made anew.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #definition = loadRegistration();
  #server: Server | undefined;
  #registered = false;
  #waitMs: number;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#waitMs = options.firstWaitMs ?? 1000;
  }

  /** Whether the kubelet's last word was that the driver is registered. */
  get isRegistered(): boolean {
    return this.#registered;
  }

  /** Makes the socket. Only when the CSI socket answers. @throws Error when another process serves it */
  async offer(): Promise<void> {
    const { socketPath, log, observeCall } = this.#options;
    await clearSocket(socketPath, "--registration-socket");
    const server = new Server();
    addService(server, this.#definition, this.#service(), { log, observe: observeCall });
    await bind(server, socketPath);
    if (this.#ended) server.forceShutdown();
    else this.#server = server;
  }

  /** Removes the socket: the kubelet takes the driver for gone, and sends it no more calls. */
  withdraw(): void {
    this.#ended = true;
    this.#registered = false;
    clearTimeout(this.#timer);
    this.#remove();
  }

  #service(): Service<RegistrationHandlers> {
    return {
      GetInfo: () => ({
        type: "CSIPlugin",
        name: driverName,
        endpoint: this.#options.endpoint,
        // Of the kubelet's interface to CSI drivers, which is not the specification's version.
        supportedVersions: ["1.0.0"],
      }),
      NotifyRegistrationStatus: (status) => {
        this.#note(status);
        return {};
      },
    };
  }

  #note({ pluginRegistered, error }: RegistrationStatus__Output): void {
    const { log, observeOutcome, firstWaitMs } = this.#options;
    this.#registered = pluginRegistered && !this.#ended;
    observeOutcome?.(pluginRegistered);
    clearTimeout(this.#timer);
    if (pluginRegistered) {
      this.#waitMs = firstWaitMs ?? 1000;
      log.info({}, "registered with the kubelet");
      return;
    }
    log.error({ error: printable(error, 1000), againInMs: this.#waitMs }, "the kubelet has not registered the driver");
    this.#offerLater();
  }

  #offerLater(): void {
    if (this.#ended) return;
    this.#timer = setTimeout(() => void this.#offerAgain(), this.#waitMs).unref();
    this.#waitMs = Math.min(this.#waitMs * 2, longestWaitMs);
  }

  async #offerAgain(): Promise<void> {
    this.#remove();
    try {
      await this.offer();
    } catch (error) {
      this.#options.log.error(
        { error: String(error), againInMs: this.#waitMs },
        "the kubelet cannot be offered the driver",
      );
      this.#offerLater();
    }
  }

  /** Closing the server unlinks its socket. */
  #remove(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }
}
