import { RE2JS } from 're2js';

/** What is wrong with a pattern, in a few words; undefined where nothing is. */
export function findPatternProblem(pattern: string): string | undefined {
  try {
    return RE2JS.compile(pattern).matcher('').find() ? 'finds the empty text' : undefined;
  } catch (error) {
    return `is no pattern of RE2: ${(error as Error).message.replace('error parsing regexp: ', '')}`;
  }
}
