/**
 * Default of `views`: the functions in views/. Each fragment is given `core.views` for those inside it, so that a plugin
 * which replaces one fragment replaces it wherever it stands.
 */

import { chatPage, main, pageTitle, status, title } from "../../views/chat";
import { go, models, sendKey } from "../../views/composer";
import { errorPage, loginPage, setupPage } from "../../views/login";
import { join, markdown, openMarkdown } from "../../views/markdown";
import { message, messageItems, messages } from "../../views/message";
import { messageFoot, messageMenu } from "../../views/message-foot";
import { part, partSummary } from "../../views/part";
import { pluginPage } from "../../views/plugin-page";
import { threadForm, threadGroup, threadItem, threadItems, threadList } from "../../views/thread-list";
import { languages } from "../../views/words";
import type { Core, ViewsProtocol } from "../protocols";

export function createViews(core: Core): ViewsProtocol {
  return {
    languages,
    chatPage: (chat, words) => chatPage(chat, words, core.views),
    loginPage,
    setupPage,
    errorPage,
    pluginPage,
    main: (chat, words) => main(chat, words, core.views),
    pageTitle,
    title,
    threadList: (list, words) => threadList(list, words, core.views),
    threadItems: (list, words) => threadItems(list, words, core.views),
    threadGroup,
    threadItem,
    threadForm,
    messages: (list, words) => messages(list, words, core.views),
    messageItems: (list, words) => messageItems(list, words, core.views),
    message: (data, words) => message(data, words, core.views),
    messageFoot,
    messageMenu,
    part: (data, words) => part(data, words, core.views),
    partSummary,
    markdown,
    openMarkdown,
    join,
    models,
    go,
    sendKey,
    status,
  };
}
