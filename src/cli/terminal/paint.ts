import { styleText } from 'node:util';

/** Colors text on a terminal, and only there (and not where NO_COLOR asks for none). */
export const paint = (format: Parameters<typeof styleText>[0], text: string): string =>
  styleText(format, text, { stream: process.stdout, validateStream: true });
