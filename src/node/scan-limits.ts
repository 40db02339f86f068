/** Bounds of a scan's pages, of now and of the past. */

/** A page of a scan has at most so many items when the request does not say, and never more than the second. */
export const SCAN_ITEMS_DEFAULT = 1_000
export const SCAN_ITEMS_MAX = 10_000
/** A page ends at about so many bytes of keys and values. */
export const SCAN_SIZE_BYTES_TARGET = 1_048_576
