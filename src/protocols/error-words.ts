/** What the page says of errors, in one language. */

export interface ErrorWords {
  /** Heading of a page that says what went wrong, by HTTP status. */
  title(status: number): string;
  readonly back: string;
  /**
   * Sentences by the `reason` of an AppError. An error whose reason is not here, as those of plugins, is shown with its own
   * sentence; programs always get that.
   */
  readonly reasons: {
    readonly busy: string;
    readonly empty: string;
    tooLong(mostCharacters: number): string;
    fileTooLarge(mostMebibytes: number): string;
    readonly heic: string;
    manyFiles(most: number): string;
    readonly modelRefused: string;
    readonly modelGone: string;
    readonly noModel: string;
    readonly endpointDown: string;
    readonly noChat: string;
    readonly noMessage: string;
    readonly noTitle: string;
    readonly noPage: string;
    readonly wrongPassword: string;
    readonly signedOut: string;
    readonly closing: string;
    readonly overloaded: string;
    readonly otherHost: string;
    readonly broken: string;
    readonly noFiles: string;
    readonly manyStreams: string;
    quotaFull(usedBytes: number, mostBytes: number): string;
    manyMessages(retryAfterS: number): string;
    manySignIns(retryAfterS: number): string;
  };
}
