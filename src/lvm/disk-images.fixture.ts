import { gunzipSync } from "node:zlib";
import { SystemError } from "../errors.ts";
import type { BlockDevice, ByteRange, Devices } from "../host/host.ts";
import { checksum } from "./checksum.ts";

/**
 * The first 16 KiB of two disks as LVM 2.03.16 left them: volume group vg-0 (dIdfPQ-..., sequence number 5, extents of
 * 4 MiB) with data-1 (5 extents at 0 of the first disk, tags lvm.local.csi/state=ready and a&20b) and striped (6 extents
 * in two stripes of 64 KiB, at 5 of the first and 0 of the second disk); 31 extents each.
 */
export function diskImages(): readonly [Buffer, Buffer] {
  return [gunzipSync(Buffer.from(first, "base64")), gunzipSync(Buffer.from(second, "base64"))];
}

/** Disks in memory: "sda", "sdb", ... A disk without an image cannot be read. */
export interface FakeDisks {
  readonly devices: Devices;
  readonly images: Map<string, Buffer>;
  /** Names of the disks that were read, in order. */
  readonly reads: string[];
  /** Runs before each read. */
  beforeRead: (name: string, ranges: readonly ByteRange[]) => void | Promise<void>;
}

export function fakeDisks(images: readonly Buffer[]): FakeDisks {
  const disks: FakeDisks = {
    images: new Map(images.map((image, index) => [`sd${String.fromCharCode(0x61 + index)}`, image])),
    reads: [],
    beforeRead: () => {},
    devices: {
      list: async () => [...disks.images.keys()].map(fakeDevice),
      findNamed: unused,
      findMapping: unused,
      findNumber: unused,
      async read(device, ranges) {
        disks.reads.push(device.name);
        await disks.beforeRead(device.name, ranges);
        const image = disks.images.get(device.name);
        if (image === undefined) throw new SystemError("EIO", `${device.name} cannot be read`);
        return ranges.map((range) => Buffer.from(image.subarray(range.offset, range.offset + range.length)));
      },
      checkDisk: unused,
      flush: async () => {},
      hold: unused,
      openExclusive: unused,
      openShared: unused,
    },
  };
  return disks;
}

function unused(): never {
  throw new Error("not part of this test");
}

export function fakeDevice(name: string): BlockDevice {
  const number = `8:${name.charCodeAt(2) - 0x61}`;
  return { name, number, sizeBytes: 128 * 1024 * 1024, holders: [], mapping: undefined };
}

const headerOffset = 4096;

/** Changes a disk as a commit does: another text behind the old one, then the header. */
export function commit(image: Buffer, change: (text: string) => string): void {
  const offset = Number(image.readBigUInt64LE(headerOffset + 40));
  const bytes = Number(image.readBigUInt64LE(headerOffset + 48));
  const text = Buffer.from(change(image.toString("utf8", headerOffset + offset, headerOffset + offset + bytes)));
  text.copy(image, headerOffset + offset + 2048);
  image.writeBigUInt64LE(BigInt(offset + 2048), headerOffset + 40);
  image.writeBigUInt64LE(BigInt(text.length), headerOffset + 48);
  image.writeUInt32LE(checksum(text), headerOffset + 56);
  image.writeUInt32LE(checksum(image.subarray(headerOffset + 4, headerOffset + 512)), headerOffset);
}

const first =
  "H4sIAAAAAAACA+1Y3W7iRhTetKrU+qZ9gF6MHHU3qfYQz2Abg7SVICGELCEskJBmFSFjO8TFP8Q2DnS1b9g+RNUX6G3vOmMg7G6T/qyU3SY9n2R5" +
  "5nhmfP7mfPY8eoT4P6NRrlQbh83q2qL/JKS/ECE/PmBEUWj1QmPWqDewD4IT/QejepXmu0qxYO9F+/ljczvkQz+fz/zqr1+0fPzblzc+/oRfaxgO" +
  "BAKBQCAQCAQCgbgzPDF+/pRkP3vTl1r5m0hpfvvd2k3/a1/Pb79/Nr+nPxV+Re/df6RDUMgrybXJMyLbdfu89QKOlB0fjlqNDjwvFhm8ODpvw4Xq" +
  "R9AuFp02laXYuQxCPoFK52Hkm4mY66U+408SM5nEvP9Sblc79dNqudKoyk8J75V3xL3Xrner8pl07pnDbNyZ5EwTJ0j6sfujwwUGLTLJN6d9L+U9" +
  "JWuOF00nMW0zMftWOHadOJNJ44tZ7Fqm109Db+Jz6SsuS1c2zQ8wQJxggDjCAHGGAeIQA8QpBsyPMWTJdlLXEgrIW7y5NRnYA1l6055yo3G4Xe5m" +
  "Br2lPx++VJ7pjKqqNHb6fGIk/MIU1RB9K5wEop+n0muhIL1WsDIYpNMAtE58Am6rvA9qxdWg27ZTUEaH29Bi6WCncpOC1p0pyFXk1zqpOYETmYlj" +
  "k8FsXiVSJ4rdMCAsp+RzVN9gm2SDKYyBogE1Nkukw9OhGaaEUUJpSVNKtMDfwXRJssJABFooJXd50MnuPHmOs8CRWhROxrK0fIHILq55bEXuOJkL" +
  "5F7kJg45j0KfpEMrcrhmBC5JlsPXUbtuWTnun2wUn96/COMsTzeCMHA25S/WScMNJlMy7xM9R3O0oJN1mlmwP/EIUQnVSnmjRHVy1N3OrCBTQ+/r" +
  "6mrZxPWFX2mhqDGdGrTAF77dBQ9s/zPc/w92/3vh8F23Ct/DSvFJ02Z+DXqt2veQP9k1YZbkdajTVgqdHdWGlnd5WB68kxNvZgFvHNc79T/pmyxa" +
  "IqdyXsi1yFmxuyXWcZ7xjWfPxFTzMVMGfOLtW/HWzc8TeOiLnFsazUvNQiTMy1zTn6dllmSLDF2O1iQpmY2zUMQJL0+OLYwUjbcWzCSZIZLMM5Lr" +
  "rEhnmXNf/9erq5euqivMCPQCAqf88ohGICCLRAAwbZsHi9wap9WQLFpZpcaq/GDqfx7rP9Z/rP//uv4vntnXrtyrOtPaLpR3T0ywD50BFA4OEji9" +
  "nDVhL9+bwunMaI7j93Dlrc4x7so5+t87hy0Fi6SkzLjRXdpT0aJ3RJzGhyVOnYBLGIE60dWRINFlDnwsTjRu5EQDORH5/5/yv4r8j/yP/I/8/6H4" +
  "Xwq9ldMap6O8V4WubQzheFSYQKzUVNCv9p5DY3ywC6NaZZte3QunsffNKOP+fxgx8TEk4oofQveN/zXkf+R/5H/kf/z/v6a5yPHDdElzorpucW5D" +
  "WkMgEAgEAoFAIBAIxMfFHzOkRukAQAAA";
const second =
  "H4sIAAAAAAACA+1Y3U7jRhReWlVqrZXaB+jFyKgtVJzgmdiOg7QrJRBC2BCySSCUFYoc2wQ3/gm2Y5Ku9v160T5FX6C3veuMk5DdLfRnJXYLez7J" +
  "8szxzPj8zfnsefQI8TGjXipX6oeNysq8/3jl5w0i5McHjCgKLff76STQ2vGJ2yztq2VX67TsVBkebjdZ2t8p86Gfz2Z+9fcvWjz+/csbH3/CrxUM" +
  "BwKBQCAQCAQCgUDcGb4zfv2UZD97kxda6ZtIaXz/dOWm/7WvZ7c/Ppvd018Kv6H37j/SASjkpeTa5AmR7Zp93nwOR8qOD0fNehueFYsMnh+dt+BC" +
  "9SNoFYtOi8pS7FwGIZ9ApfMw8s1EzPVSn/EniZmMY95/Ibcq7dpppVSuV+QNwnulHXHvtmqdinwmnXvmIBt3JjmTxAmSXuz+5HCBQYtM8s1Jz0t5" +
  "T8mao3nTSUzbTMyeFY5cJ85k0uhiGruW6fXS0Bv7XPqSy9KlTZULjVlD6PbtAwhO9B/BqFylkO8oRSjYexHs54/N7VCWbCd1LaGAvMmbm+O+3Zel" +
  "1+0p1euH26VOZtAb+vPhC+WZzqiqSiOnxydGwi9MUQ3Rt8JxIPp5Kr0SCtJrBWcnLCCOWECcsYA4ZAFxygLimAVm5yw3KWjdmYJcRX6tkqoTOJGZ" +
  "ODbpT2dVInWi2A0DwnJKPkf1NbZO1pjCGCgaUGN9i7R5OjTClDBKKN3SlC1a4O9guiRZYSACLZSSOzzoZHeWPMdZ4Eg1CscjWVq8QGQX1zy2IneU" +
  "zARyN3ITh5xHoU/SgRU5XDMClyTL4euoXbesHPdPNopP712EcZana0EYOOvyF6uk7gbjCZn1iZ6jOVrQySrNLNgfe4SohGpbeWOL6uSos51ZQSaG" +
  "3tPV5bKJ6wu/0kJRYzo1aIEvfLsLHtj+Z7j/H+z+98LB224Vvoel4uOGzfwqdJvVHyB/smvCNMnrUKPNFNo7qg1N7/Kw1H8rJ17PAt44rrVrf9E3" +
  "mbdETuW8kGuRs2J3U6zjPOEbz56Kqea3TOnzibdvxVs3P0/ggS9ybmE0LzVzkTAvc01vlpZZks0zdDFak6RkOspCESe8PDm2MFI03lgwk2SGSDLP" +
  "SK6zIp1lzn31f6+uXrqsrjAl0A0InPLLIxqBgMwTAcC0bR4scmuclkOyaGWVGqvyg6n/eaz/WP+x/v/n+j9/Zl+7cq/iTKq7UNo9McE+dPpQODhI" +
  "4PRy2oC9fHcCp1OjMYrfwZW3Ose4K+fo/+wcthDMk5Iy40Z3aRuiRe+IOI33S5w6AZcwAjWiq0NBoosc+FCcaNzIiQZyIvL/v+V/Ffkf+R/5H/n/" +
  "ffG/FHpLp9VPh3mvAh3bGMDxsDCGWKmqoF/tPYP66GAXhtXyNr26F05j75pRxv3/MGLiY0jEFT+E7hv/a8j/yP/I/8j/+P9/TXOR44fpguZEdd3k" +
  "3Ia0hkAgEAgEAoFAIBCID4s/AVRVjpUAQAAA";
