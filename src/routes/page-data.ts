/** What every page knows, whoever looks at it. */

import type { Core, PageData, User } from "../protocols";
import { assetPath } from "./assets";

export function pageData(core: Core, user: User | null): PageData {
  return { user, asset: (name) => assetPath(core, name), ephemeral: core.config.mode === "ephemeral" };
}
