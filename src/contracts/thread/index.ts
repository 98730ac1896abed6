/** What every `thread` promises. The cases use people named ann and bob. */

import type { ContractCase } from "../contract";
import { branches } from "./branches";
import { lists } from "./lists";
import { threads } from "./threads";

export const threadContract: readonly ContractCase[] = [...threads, ...lists, ...branches];
