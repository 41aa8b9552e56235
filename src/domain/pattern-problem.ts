import { RE2JS } from 're2js';

/**
 * Steps for each character of a text, at the most; a repetition counts as often as it repeats. All contents of a worker are
 * looked at in one thread: with a few thousand steps one of them could keep it for longer than the others have.
 */
const maxProgramSize = 512;

/** What is wrong with a pattern, in a few words; undefined where nothing is. */
export function findPatternProblem(pattern: string): string | undefined {
  try {
    const compiled = RE2JS.compile(pattern);
    if (compiled.programSize() > maxProgramSize)
      return `takes too long: ${compiled.programSize()} steps for each character, and ${maxProgramSize} are the most`;
    return compiled.matcher('').find() ? 'finds the empty text' : undefined;
  } catch (error) {
    return `is no pattern of RE2: ${(error as Error).message.replace('error parsing regexp: ', '')}`;
  }
}
