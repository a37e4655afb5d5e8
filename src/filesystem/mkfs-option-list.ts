import type { FilesystemName } from "./names.ts";

/** What a flag of mkfs may be given: one value, or a list of options that are joined by commas. */
export type MkfsValue = { readonly value: RegExp } | { readonly list: readonly RegExp[] };

const SIZE = String.raw`\d{1,12}[kmg]?`;

/**
 * What the `mkfsOptions` of a StorageClass may say, by filesystem and flag (mke2fs(8), mkfs.xfs(8), mkfs.btrfs(8)). Not
 * here: names, labels and uuids; other devices and files; what would make the filesystem smaller than its device;
 * what the driver's own safety rests on, such as discarding, forcing and taking the device as zeroed.
 */
export const MKFS_OPTIONS: Readonly<Record<FilesystemName, Readonly<Record<string, MkfsValue>>>> = {
  ext4: {
    "-b": { value: /^(1024|2048|4096)$/ },
    "-i": { value: /^\d{4,8}$/ },
    "-I": { value: /^(128|256|512|1024)$/ },
    "-m": { value: /^(\d|[1-4]\d|50)(\.\d{1,2})?$/ },
    "-N": { value: /^\d{1,10}$/ },
    "-T": { value: /^(news|small|largefile|largefile4|big|huge)$/ },
    "-J": { list: [/^size=\d{1,6}$/] },
    "-O": {
      list: [
        /^\^?(64bit|dir_index|dir_nlink|extra_isize|fast_commit|flex_bg|has_journal|huge_file|large_dir|large_file)$/,
        /^\^?(metadata_csum|metadata_csum_seed|orphan_file|project|quota|resize_inode)$/,
      ],
    },
    "-E": {
      list: [
        /^(stride|stripe[_-]width)=\d{1,9}$/,
        /^(packed_meta_blocks|lazy_itable_init)=[01]$/,
        /^quotatype=(usrquota|grpquota|prjquota)$/,
      ],
    },
  },
  xfs: {
    "-b": { list: [/^size=(1024|2048|4096|1k|2k|4k)$/] },
    "-d": {
      list: [new RegExp(`^(su|agsize)=${SIZE}$`), /^(sw|sunit|swidth)=\d{1,9}$/, /^agcount=\d{1,5}$/, /^noalign$/],
    },
    "-i": { list: [/^size=(512|1024|2048)$/, /^maxpct=(\d{1,2}|100)$/, /^(sparse|nrext64)=[01]$/] },
    "-l": { list: [new RegExp(`^(size|su)=${SIZE}$`), /^sunit=\d{1,9}$/] },
    "-m": { list: [/^crc=1$/, /^(reflink|rmapbt|finobt|bigtime|inobtcount)=[01]$/] },
    "-n": { list: [/^size=(4096|8192|16384|32768|65536|4k|8k|16k|32k|64k)$/, /^ftype=1$/] },
    "-s": { list: [/^size=(512|4096|4k)$/] },
  },
  btrfs: {
    "-d": { value: /^(single|dup)$/ },
    "-m": { value: /^(single|dup)$/ },
    "-n": { value: /^(4096|8192|16384|32768|65536|4k|8k|16k|32k|64k)$/ },
    "--csum": { value: /^(crc32c|xxhash|sha256|blake2)$/ },
    "-O": { list: [/^\^?(extref|skinny-metadata|no-holes)$/] },
  },
};
