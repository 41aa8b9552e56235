/** Whose bytes they are. */
export type Side = 'client' | 'upstream';

/** That bytes are not what was expected, in constant words; and what of them may be told, if that says more. */
export interface Unexpected {
  readonly unexpected: string;
  readonly about?: string;
}

/** What can be said of the bytes of one side that have come so far. */
export type Reading =
  /** Not yet what they are. */
  | 'more'
  /** They are as expected, and the other side has to have them before there is more to be seen. */
  | 'pass'
  /** They are what was expected, and no more of this side need be looked at. */
  | 'yes'
  | Unexpected;

/**
 * Looks at the first bytes of both sides of one tunnel, which come in whatever pieces. It keeps no more than its protocol
 * takes to be told, and what comes beyond that without having told it is unexpected. A side that was recognized, or is
 * unexpected, is not to be asked again.
 */
export type Recognizer = Readonly<Record<Side, (bytes: Uint8Array) => Reading>>;

export const unexpected = (words: string, about?: string): Unexpected =>
  about === undefined ? { unexpected: words } : { unexpected: words, about };

/** Whether bytes begin as they should, as far as there are any. */
export const beginsAs = (bytes: Buffer, text: string): boolean => {
  const length = Math.min(bytes.length, text.length);
  return bytes.toString('latin1', 0, length) === text.slice(0, length);
};
