/**
 * `bun run test:world`: tries the product with programs of others, which are too large for the ordinary tests, and ends with
 * `N passed, N failed, N skipped`. Words choose counterparts by name; all of them take some minutes, and the first time some more.
 */

import { installDependencies } from "../support/install";
import { projectFolder } from "../support/project";
import { langChain, openaiForNode, openaiForPython } from "./clients";
import { runWorld } from "./counterpart";
import { libreOffice } from "./libreoffice";
import { litellm } from "./litellm";
import { llamaCpp } from "./llama-cpp";

const LIMIT_MS = 5 * 60_000; // The longest takes one, most of it until it has started.

await installDependencies(projectFolder);
const words = process.argv.slice(2).map((word) => word.toLowerCase());
const all = [openaiForNode, openaiForPython, langChain, libreOffice, litellm, llamaCpp];
const chosen = all.filter(({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word)));
const { passed, failed, skipped } = await runWorld(chosen, { limitMs: LIMIT_MS, print: (line) => console.log(line) });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
// A word that names no counterpart has tried nothing.
process.exit(failed > 0 || chosen.length === 0 ? 1 : 0);
