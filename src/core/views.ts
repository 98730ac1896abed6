/**
 * Default of `views`: the functions in views/. Each fragment is given `core.views` for those inside it, so that a plugin
 * which replaces one fragment replaces it wherever it stands.
 */

import { chatPage, main, pageTitle, status, title } from "../../views/chat";
import { go } from "../../views/composer";
import { errorPage, loginPage, setupPage } from "../../views/login";
import { markdown } from "../../views/markdown";
import { message, messageFoot, messages } from "../../views/message";
import { part, partSummary } from "../../views/part";
import { threadItem, threadItems, threadList } from "../../views/thread-list";
import type { Core, ViewsProtocol } from "../protocols";

export function createViews(core: Core): ViewsProtocol {
  return {
    chatPage: (chat) => chatPage(chat, core.views),
    loginPage,
    setupPage,
    errorPage,
    main: (chat) => main(chat, core.views),
    pageTitle,
    title,
    threadList: (list) => threadList(list, core.views),
    threadItems: (list) => threadItems(list, core.views),
    threadItem,
    messages: (list) => messages(list, core.views),
    message: (data) => message(data, core.views),
    messageFoot,
    part: (data) => part(data, core.views),
    partSummary,
    markdown,
    go,
    status,
  };
}
