/** German. */

import type { FileText, FileTextFault, Words } from "../../src/protocols";
import { errors } from "./de-errors";
import { formats } from "./format";

const { size, ...format } = formats("de");

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
    nothingHere: "Hier ist noch nichts.",
    pinned: "Angeheftet",
    today: "Heute",
    yesterday: "Gestern",
    thisWeek: "Diese Woche",
    show: "Anzeigen",
    all: "Alle Chats",
    archived: "Archiviert",
    change: (title) => `„${title}“ ändern`,
    title: "Titel",
    tags: "Schlagwörter",
    tagsHint: "Arbeit, Reisen",
    pin: "Angeheftet",
    unseen: "Neue Antwort",
    save: "Speichern",
    cancel: "Abbrechen",
  },
  messages: {
    messages: "Nachrichten",
    earlier: "Frühere Nachrichten",
    later: "Spätere Nachrichten",
    unprinted: "Hier sind noch mehr Nachrichten, die nicht gedruckt sind.",
    latest: "Neueste Nachrichten",
    otherBranch: "Das ist eine andere Fassung des Chats. Was du sendest, geht hier weiter.",
    welcome: "Was beschäftigt dich?",
    welcomeDetail: "Eingabe sendet, Umschalt + Eingabe beginnt eine neue Zeile.",
    you: "Du",
    reply: "Antwort",
    copy: "Kopieren",
    copyReply: "Antwort kopieren",
    copyMessage: "Deine Nachricht kopieren",
    edit: "Bearbeiten",
    editMessage: "Deine Nachricht bearbeiten",
    editDetail: "Wird als weitere Fassung gesendet. Diese und ihre Antworten bleiben erhalten.",
    send: "Senden",
    cancel: "Abbrechen",
    regenerate: "Neu erzeugen",
    regenerateReply: "Die Antwort neu erzeugen",
    regenerateWith: "Neu erzeugen mit",
    more: "Mehr",
    menu: "Mehr zu dieser Antwort",
    fork: "Abzweigen: neuer Chat ab hier",
    source: "Quelltext zeigen",
    versions: "Fassungen",
    version: (position, count) => `Fassung ${position} von ${count}`,
    previousVersion: "Vorige Fassung",
    nextVersion: "Nächste Fassung",
    jump: "Zum Neuesten springen",
    writing: "Schreibt …",
    stopped: "Angehalten.",
    interrupted: "Unterbrochen: Der Server wurde beendet, während dies geschrieben wurde.",
    failed: "Fehlgeschlagen.",
    ended: {
      length: "Die Antwort ist abgeschnitten: Das Modell hat die Höchstlänge einer Antwort erreicht.",
      filtered: "Ein Filter des Endpunkts oder das Modell selbst hat die Antwort abgebrochen.",
    },
    endedSilent: {
      length: "Das Modell hat die Höchstlänge einer Antwort erreicht, bevor es etwas gesagt hat.",
      filtered: "Ein Filter des Endpunkts hat die Antwort zurückgehalten, bevor sie begann.",
      thoughts: "Das Modell hat nachgedacht und ohne eine Antwort aufgehört.",
      empty: "Das Modell hat ohne eine Antwort aufgehört.",
    },
    fault: (endpoint, address, status) =>
      [`Endpunkt ${endpoint}`, address, status === null ? "kein HTTP-Status" : `HTTP ${status}`]
        .filter(Boolean)
        .join(" · "),
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
    cut: (shown, whole) => `Das sind die ersten ${shown} von ${whole} Zeichen.`,
    error: "Fehler",
    removed: "(entfernt)",
  },
  markdown: {
    copy: "Kopieren",
    wrap: "Umbrechen",
    download: "Herunterladen",
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
    tooLong:
      "Deine Nachricht ist zu lang und deshalb als Datei angehängt. Schreib dazu, worum es geht, und sende dann.",
    attach: "Dateien anhängen",
    parameters: "Parameter dieses Chats",
  },
  files: {
    attached: "Angehängte Dateien",
    remove: (name) => `„${name}“ entfernen`,
    asText: "In die Nachricht einfügen",
    reading: "Wird gelesen…",
    uploading: "Wird hochgeladen…",
    close: "Schließen",
    size,
    report,
  },
  keys: {
    title: "Tastatur",
    close: "Schließen",
    enter: "Eingabe",
    shift: "Umschalt",
    alt: "Alt",
    escape: "Esc",
    newLine: "Neue Zeile",
    sendOrStop: "Senden oder die Antwort anhalten",
    search: "Suchen",
    messageBox: "Zum Eingabefeld",
    thisList: "Diese Liste, wenn gerade kein Text geschrieben wird",
    closeOpen: "Schließen, was offen ist",
    elsewhere: "Mit einem Buchstaben: Alt + Umschalt in Firefox, Control + Option auf dem Mac.",
  },
  admin: {
    title: "Plugins",
    detail: "Eine gespeicherte Datei wirkt von selbst; dies versucht auch noch einmal, was nicht ging.",
    reload: "Plugins neu laden",
    faults: "Nicht in Gebrauch",
    noFaults: "Alle Plugins sind in Gebrauch.",
    yours: "Deine Plugins",
    noneYours: "Es gibt noch keine. Lege eine Datei in den Ordner plugins/.",
    builtIn: "Eingebaut",
    protocols: "Wer was bereitstellt",
    protocol: "Protokoll",
    providedBy: "Bereitgestellt von",
    plugin: "Plugin",
    provides: "Stellt bereit",
    hooks: "Hooks",
    toolsOf: "Werkzeuge",
    page: "Seite",
    priority: "Priorität",
  },
  status: {
    offline: "Der Server ist nicht erreichbar. Was du geschrieben hast, ist noch da.",
    copied: "Die Formel ist als TeX kopiert.",
    signedOut: "Du bist abgemeldet. Lade die Seite neu, um dich wieder anzumelden; dein Text bleibt bis dahin stehen.",
    waiting: "Ein anderer Chat wartet auf deine Antwort.",
    open: "Öffnen",
  },
  signIn: {
    signIn: "Anmelden",
    expired: "Deine Sitzung ist zu Ende. Melde dich an, und dein Text ist wieder da.",
    chooseAgain: "Deine Dateien wurden nicht behalten: Hänge sie noch einmal an.",
    expiredLong:
      "Deine Sitzung ist zu Ende. Dein Text ist zu lang, um beim Anmelden aufgehoben zu werden: Kopiere ihn vorher von hier.",
    yourText: "Dein Text",
    name: "Name",
    password: "Passwort",
    setup: "Den ersten Administrator anlegen",
    setupDetail: "Dieser Link gilt einmal. Weitere Personen kommen mit dem Befehl „users“ dazu.",
    create: "Anlegen und anmelden",
    sessionLasts:
      "Du bist hier abgemeldet, aber der Server konnte die Sitzung selbst nicht beenden: Wer ihr Token hat, kann es benutzen, bis es abläuft.",
  },
  errors,
};

const FAULTS: Readonly<Record<FileTextFault, string>> = {
  encrypted: "mit Passwort geschützt: Das Modell kann sie nicht lesen",
  broken: "beschädigt: Das Modell kann sie nicht lesen",
  oldFormat: "altes Office-Format: als DOCX, XLSX oder PPTX gespeichert kann das Modell sie lesen",
  tooLarge: "zu groß zum Lesen",
  tooSlow: "das Lesen dauert zu lange",
  unknownKind: "diese Art von Datei kann das Modell nicht lesen",
};

function report({ kind, tokens, fault, isCut, emptyPages = [], ...counted }: FileText): string {
  if (fault) return FAULTS[fault];
  if (kind === "image") return "";
  const { pages = 0, slides = 0, sheets = 0, pictures = 0, formulas = 0 } = counted;
  const parts = [
    count(pages, "Seite", "Seiten"),
    count(slides, "Folie", "Folien"),
    count(sheets, "Tabellenblatt", "Tabellenblätter"),
    `etwa ${roughly(tokens)}`,
  ];
  const left = [
    emptyPages.length > 0 && `${count(emptyPages.length, "Seite", "Seiten")} ohne Text`,
    pictures > 0 && `ohne ${count(pictures, "Bild", "Bilder")}`,
    formulas > 0 && `ohne ${count(formulas, "Formel", "Formeln")}`,
    isCut && "nur der Anfang kann gelesen werden",
  ];
  return [parts.filter(Boolean).join(", "), ...left.filter(Boolean)].join("; ");
}

function count(number: number, one: string, many: string): string {
  return number === 0 ? "" : `${format.number(number)} ${number === 1 ? one : many}`;
}

/** Nobody counts tokens one by one. */
function roughly(tokens: number): string {
  return count(tokens > 100 ? Number(tokens.toPrecision(2)) : tokens, "Token", "Token") || "0 Token";
}
