import { framePage } from '../../src/contract/person-page.ts';
import type { Language } from '../language.ts';
import { pageWords } from './words.ts';

/** A page of the agent; `body` and `head` are HTML. */
export const frame = (language: Language, body: string, head = ''): string =>
  framePage({ language, title: `Postern: ${pageWords.title[language]}`, body, head });
