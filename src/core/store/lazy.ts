/** The default of `store`, opened at the first call, so that a plugin which replaces it leaves no file of ours behind. */

import type { Core, StoreProtocol } from "../../protocols";
import { createStore } from ".";

export function createLazyStore(core: Core): StoreProtocol {
  let opened: StoreProtocol | null = null;
  const store = (): StoreProtocol => {
    opened ??= createStore(core);
    return opened;
  };
  return {
    createStoreIfNotExists: (...args) => store().createStoreIfNotExists(...args),
    listStores: () => store().listStores(),
    findStore: (...args) => store().findStore(...args),
    add: (...args) => store().add(...args),
    get: (...args) => store().get(...args),
    find: (...args) => store().find(...args),
    update: (...args) => store().update(...args),
    delete: (...args) => store().delete(...args),
    count: (...args) => store().count(...args),
    give: async (...args) => (await store().give?.(...args)) ?? 0,
    size: (...args) => store().size(...args),
    collectionAppend: (...args) => store().collectionAppend(...args),
    collectionGet: (...args) => store().collectionGet(...args),
    fullTextSearch: (...args) => store().fullTextSearch(...args),
    ping: () => store().ping(),
    async close() {
      await opened?.close();
    },
  };
}
