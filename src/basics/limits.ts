/** Limits that a default holds people to, and that the API document names as well. */

import { MIB } from "./size";

export const USER_NAME_MAX = 64; // Characters.
export const PASSWORD_MIN = 8; // Characters, of one that is chosen in a browser.
export const PASSWORD_MAX_BYTES = 4096; // No person's is longer, and hashing megabytes is work for an attacker to give us.

/** The bounds of the protocols `thread` and `file`. */
export const TAGS_MAX = 20; // Of a thread.
export const TAG_MAX = 50; // Characters.
export const FILE_MAX_BYTES = 50 * MIB;
