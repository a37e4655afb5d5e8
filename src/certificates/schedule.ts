const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long things last, in milliseconds. */
export const schedule = {
  authorityLifeMs: 730 * day,
  leafLifeMs: 90 * day,
  /** Renewal comes after so much of a life. */
  renewedAfter: 2 / 3,
  /** The kubelet takes a minute or two to bring a changed Secret into a pod's files; this leaves room for more. */
  trustWaitMs: 15 * minute,
  /** Certificates begin so long before they are made, for nodes whose clocks are behind. */
  backdatedMs: hour,
  /** How long after the last certificate of an authority has ended it is still trusted. */
  farewellMs: day,
  /** An authority that ends sooner signs nothing any more. */
  shortestLifeMs: day,
} as const;
