import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Driver, Ending } from "../lab/driver.ts";

const patienceMs = 10_000;

/** The first words of a client, and an empty SETTINGS frame (RFC 9113, 3.4 and 6.5). */
const firstWords = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/**
 * Stops a driver that serves a caller who says nothing more: neither a call nor an end, as a machine that lost its power.
 * @param caller - a connection made with `allowHalfOpen`, which is gone afterwards
 */
export async function stopBeside(caller: Socket, driver: Driver): Promise<Ending | "kept by its caller"> {
  try {
    caller.write(firstWords);
    await once(caller, "data");
    caller.resume();
    return await Promise.race([driver.stop(), sleep(patienceMs, "kept by its caller" as const)]);
  } finally {
    caller.destroy();
    await driver.ended;
  }
}
