/** German. */

import type { Words } from "../../src/protocols";
import { formats } from "./format";

const TITLES: Readonly<Record<number, string>> = {
  400: "Das geht nicht",
  401: "Bitte anmelden",
  403: "Nicht erlaubt",
  404: "Nicht gefunden",
  429: "Zu oft",
  503: "Gerade nicht möglich",
};

const format = formats("de");

export const de: Words = {
  ...format,
  page: {
    ephemeral: "Flüchtiger Betrieb.",
    ephemeralDetail: "Nichts wird aufbewahrt: Die Chats enden mit dem Server.",
  },
  chat: {
    chats: "Chats",
    newChat: "Neuer Chat",
    skip: "Zum Eingabefeld springen",
    title: "Titel dieses Chats",
    archive: "Archivieren",
    archiveThis: "Diesen Chat archivieren",
    archived: "Archiviert",
    restore: "Wiederherstellen",
    signOut: "Abmelden",
  },
  list: {
    search: "Suchen",
    searchInChats: "In deinen Chats suchen",
    more: "Mehr",
    nothingFound: (query) => `Nichts gefunden für „${query}“.`,
  },
  messages: {
    messages: "Nachrichten",
    earlier: "Frühere Nachrichten",
    later: "Spätere Nachrichten",
    latest: "Neueste Nachrichten",
    otherBranch: "Das ist eine andere Fassung des Chats. Was du sendest, geht hier weiter.",
    welcome: "Was beschäftigt dich?",
    welcomeDetail: "Eingabe sendet, Umschalt + Eingabe beginnt eine neue Zeile.",
    you: "Du",
    reply: "Antwort",
    copy: "Kopieren",
    copyReply: "Antwort kopieren",
    writing: "Schreibt …",
    stopped: "Angehalten.",
    interrupted: "Unterbrochen: Der Server wurde beendet, während dies geschrieben wurde.",
    failed: "Fehlgeschlagen.",
    continue: "Fortsetzen",
    retry: "Noch einmal",
    tokens: (count) => `${format.number(count)} Token`,
  },
  part: {
    thinking: "Denkt nach …",
    thought: "Nachgedacht",
    thoughtFor: (duration) => `${duration} nachgedacht`,
    running: "läuft …",
    waiting: "wartet auf dich",
    mayRun: "Das Modell möchte dieses Werkzeug benutzen. Darf es?",
    allow: "Erlauben",
    deny: "Nicht erlauben",
    denied: "nicht erlaubt",
    done: "fertig",
    failed: "fehlgeschlagen",
    arguments: "Argumente",
    progress: "Verlauf",
    result: "Ergebnis",
    error: "Fehler",
  },
  markdown: {
    copy: "Kopieren",
    text: "Text",
    image: (text) => `Bild: ${text}`,
  },
  composer: {
    message: "Nachricht",
    placeholder: "Nachricht …",
    send: "Senden",
    stop: "Anhalten",
    model: "Modell",
    noModel: "Gerade ist kein Modell verfügbar.",
    systemPrompt: "System-Prompt",
  },
  status: {
    offline: "Der Server ist nicht erreichbar. Was du geschrieben hast, ist noch da.",
    signedOut: "Du bist abgemeldet. Lade die Seite neu, um dich wieder anzumelden; dein Text bleibt bis dahin stehen.",
    signIn: "Anmelden",
  },
  signIn: {
    signIn: "Anmelden",
    name: "Name",
    password: "Passwort",
    setup: "Den ersten Administrator anlegen",
    setupDetail: "Dieser Link gilt einmal. Weitere Personen kommen mit dem Befehl „users“ dazu.",
    create: "Anlegen und anmelden",
  },
  errors: {
    title: (status) => TITLES[status] ?? "Etwas ist schiefgegangen",
    back: "Zurück zu den Chats",
  },
};
