/** What the page says of errors, in German. */

import { sizeText } from "../../src/basics/size";
import type { ErrorWords } from "../../src/protocols";

const TITLES: Readonly<Record<number, string>> = {
  400: "Das geht nicht",
  401: "Bitte anmelden",
  403: "Nicht erlaubt",
  404: "Nicht gefunden",
  429: "Zu oft",
  503: "Gerade nicht möglich",
};

export const errors: ErrorWords = {
  title: (status) => TITLES[status] ?? "Etwas ist schiefgegangen",
  back: "Zurück zu den Chats",
  reasons: {
    busy: "In diesem Chat wird noch eine Antwort geschrieben. Halte sie an, oder warte, bis sie fertig ist.",
    empty: "Die Nachricht ist leer. Schreibe etwas, das gesendet werden soll.",
    tooLong: (most) => `Die Nachricht ist zu lang: Sie darf ${most.toLocaleString("de")} Zeichen haben.`,
    fileTooLarge: (most) => `Eine Datei darf höchstens ${most} MiB groß sein.`,
    heic: "Bilder im HEIC-Format, wie Telefone sie aufnehmen, lassen sich nicht anzeigen. Speichere es vorher als JPEG.",
    manyFiles: (most) => `Eine Nachricht darf höchstens ${most} Dateien haben.`,
    modelRefused: "Dieses Modell darfst du nicht benutzen. Wähle ein anderes.",
    modelGone: "Dieses Modell wird gerade nicht angeboten. Wähle ein anderes.",
    noModel: "Es gibt gerade kein Modell, das du benutzen darfst. Bitte den Eigentümer dieses Servers um eines.",
    endpointDown:
      "Der Endpunkt der Modelle dieses Servers funktioniert gerade nicht. Wer ihn verwaltet, sieht den Grund, sobald er eine Nachricht schickt.",
    noChat: "Diesen Chat gibt es nicht. Vielleicht gehört er zu einem anderen Konto.",
    noMessage: "Diese Nachricht gibt es in diesem Chat nicht.",
    noTitle: "Ein Chat braucht einen Titel.",
    noPage: "Unter dieser Adresse gibt es nichts.",
    wrongPassword: "Name oder Passwort ist falsch.",
    signedOut: "Du bist abgemeldet. Melde dich an und versuche es dann noch einmal.",
    closing: "Der Server wird gerade beendet. Versuche es gleich noch einmal.",
    overloaded: "Der Server hat gerade mehr zu tun, als er kann. Versuche es in einigen Sekunden noch einmal.",
    otherHost:
      "Im flüchtigen Betrieb, in dem sich jeder anmelden kann, antwortet der Server nur auf Adressen und Namen seines eigenen Netzes. Setze PUBLIC_URL auf die Adresse, unter der man ihn erreicht.",
    broken: "Im Server ist etwas schiefgegangen; sein Protokoll sagt, was.",
    noFiles: "Der Server hat zu viele Dateien und Verbindungen offen. Versuche es gleich noch einmal.",
    manyStreams: "Du hast zu viele Fenster gleichzeitig offen. Schließe ein paar, die du nicht brauchst.",
    quotaFull: (used, most) =>
      `Deine Dateien und Nachrichten belegen ${sizeText(used, "de")} von ${sizeText(most, "de")}, die du nutzen darfst. Entferne Dateien, die du nicht mehr brauchst, oder bitte den Eigentümer dieses Servers um mehr.`,
    manyMessages: (seconds) =>
      `Zu viele Nachrichten. Versuche es in ${seconds === 1 ? "einer Sekunde" : `${seconds} Sekunden`} noch einmal.`,
    manySignIns: (seconds) =>
      `Zu viele Fehlversuche. Versuche es in ${seconds === 1 ? "einer Sekunde" : `${seconds} Sekunden`} noch einmal.`,
  },
};
