import { VolumeError, quote } from "../errors.ts";

/**
 * The single options in a list as a StorageClass or the kubelet gives it: each element one option, or several joined
 * by commas as mount(8) takes them. A comma inside double quotes belongs to the option: the kubelet sends
 * `context="system_u:object_r:container_file_t:s0:c1,c2"`.
 * @throws VolumeError invalidArgument for an empty option, an open quote or a character outside printable ASCII.
 */
export function splitMountOptions(options: readonly string[]): readonly string[] {
  return options.flatMap((element) => {
    if (!/^[\x21-\x7e]*$/.test(element)) {
      throw refused(element, "it has a space, a control character or one outside ASCII in it");
    }
    if (element.split('"').length % 2 === 0) throw refused(element, "its quote is not closed");
    const parts = element.split(COMMA_OUTSIDE_QUOTES);
    if (parts.includes("")) throw refused(element, "an option in it is empty");
    return parts;
  });
}

/** A comma with an even number of quotes behind it. */
const COMMA_OUTSIDE_QUOTES = /,(?=(?:[^"]*"[^"]*")*[^"]*$)/;

/** The error for a mount option that the driver does not take. */
export function refused(option: string, reason: string): VolumeError {
  return new VolumeError("invalidArgument", `mount option ${quote(option)} is refused: ${reason}`);
}
