/** What every page knows, whoever looks at it. */

import type { Core, PageData, User } from "../protocols";

export function pageData(core: Core, user: User | null): PageData {
  return { user, asset: (name) => `/static/${name}`, ephemeral: core.config.mode === "ephemeral" };
}
