/**
 * Any text in the characters that LVM allows in a tag (lvm(8), "VALID NAMES"): letters and digits as they are, with
 * `_+.-/=!:` and `&`. Every other byte of its UTF-8, and "&" itself, becomes "&" and two hex digits.
 * A lone surrogate, which no text from the wire can hold, becomes U+FFFD.
 */
export function encodeTagText(text: string): string {
  return [...new TextEncoder().encode(text)].map(encodeByte).join("");
}

/** The text that `encodeTagText` made the tag from; undefined when it made no such tag. */
export function decodeTagText(tag: string): string | undefined {
  if (!encodedPattern.test(tag)) return undefined;
  const bytes = tag.match(/&..|./g)?.map(decodeByte) ?? [];
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

const encodedPattern = /^(?:[A-Za-z0-9_+.\-/=!:]|&[0-9a-f]{2})*$/;
const plainPattern = /[A-Za-z0-9_+.\-/=!:]/;

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return plainPattern.test(character) ? character : `&${byte.toString(16).padStart(2, "0")}`;
}

function decodeByte(part: string): number {
  return part.startsWith("&") ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0);
}
