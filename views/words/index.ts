/** The languages of the page, one catalogue each. The first is for everybody whose language is not among them. */

import type { Words } from "../../src/protocols";
import { de } from "./de";
import { en } from "./en";

export const languages: readonly Words[] = [en, de];
