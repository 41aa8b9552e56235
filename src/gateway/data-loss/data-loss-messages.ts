import type { WantedData } from '../../inspection/data-loss/detectors.ts';

export type DataLossQuestion =
  /** Looks at the next bytes of a body, of which the first say what it is. */
  | {
      readonly type: 'look';
      readonly body: number;
      readonly opens?: { readonly contentType: string; readonly wanted: WantedData } | undefined;
      readonly bytes: Uint8Array;
      readonly isLast: boolean;
    }
  /** Nobody wants to know of it any more. */
  | { readonly type: 'forget'; readonly body: number };

/** How much of what was found by now, and how much of the body is text. */
export interface DataLossAnswer {
  readonly counts: Readonly<Record<string, number>>;
  readonly isText: 'all' | 'some' | 'none';
}
