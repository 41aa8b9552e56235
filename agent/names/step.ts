/** One thing that the helper does as root. Plans are made of these, so that what is done can be seen without doing it. */
export type Step =
  | { readonly kind: 'write'; readonly path: string; readonly content: string }
  | { readonly kind: 'remove'; readonly path: string }
  /** By absolute path, without a shell. One that may fail undoes what may not be there. */
  | {
      readonly kind: 'run';
      readonly program: string;
      readonly args: readonly string[];
      readonly mayFail?: true;
    };

export const run = (program: string, ...args: string[]): Step => ({ kind: 'run', program, args });
export const tryToRun = (program: string, ...args: string[]): Step => ({
  ...{ kind: 'run', program, args },
  mayFail: true,
});
