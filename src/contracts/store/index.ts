/** What every `store` promises. The cases use people named ann and bob, and declare stores of their own. */

import type { ContractCase } from "../contract";
import { collections } from "./collections";
import { declarations } from "./declarations";
import { giving } from "./giving";
import { queries } from "./queries";
import { records } from "./records";
import { search } from "./search";
import { sizes } from "./sizes";

export const storeContract: readonly ContractCase[] = [
  ...declarations,
  ...records,
  ...queries,
  ...collections,
  ...search,
  ...giving,
  ...sizes,
];
